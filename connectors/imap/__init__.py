"""A mailbox over IMAP: each message a document, with what is attached to it."""
