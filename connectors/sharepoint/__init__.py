"""SharePoint: the document libraries of sites, over Microsoft Graph."""
