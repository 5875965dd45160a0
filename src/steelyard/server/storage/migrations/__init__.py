"""Steps that bring the tables of a node up to date, run by alembic."""
