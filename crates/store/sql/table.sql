-- {table}: {what}
CREATE OR REPLACE VIEW {view} AS
{source}SELECT
{columns}
WHERE false;
