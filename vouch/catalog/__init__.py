"""The truth: SQLModel tables, explicit transactions, migrations, the stage ledger, the outbox and blobs."""
