"""What Confluence and Jira have in common: where they are, as whom they are asked, how their texts are written."""
