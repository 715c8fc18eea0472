"""What Confluence and Jira share: where they are and as whom they are asked, their accounts, how texts are written."""
