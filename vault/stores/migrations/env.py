"""What alembic runs: the store's own versions on the connection that `upgrade` opened."""

from alembic import context

from vault.stores.schema import METADATA

_store = context.config.attributes["store"]
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA[_store],
    version_table=f"{_store}_version",
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
