"""What is stored in MLflow, and how it is read back."""

import logging

# MLflow 3.9 logs alembic's plugins on standard error as it is imported, whatever level was set before
logging.getLogger("alembic.runtime.plugins").addFilter(
    lambda record: record.levelno >= logging.WARNING
)
