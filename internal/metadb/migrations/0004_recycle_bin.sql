-- Rules of the Recycle Bin, and the snapshots that are in it.
CREATE TABLE retention_rules (
  region      TEXT NOT NULL,
  id          TEXT NOT NULL,
  owner       TEXT NOT NULL,
  kind        TEXT NOT NULL,
  doc_version INTEGER NOT NULL,
  doc         TEXT NOT NULL,
  PRIMARY KEY (region, id)
) STRICT;
CREATE INDEX retention_rules_by_owner ON retention_rules (region, owner, id);

-- recycled is 1 while the snapshot is in the bin, where nobody sees it.
ALTER TABLE snapshots ADD COLUMN recycled INTEGER NOT NULL DEFAULT 0;
CREATE INDEX snapshots_in_bin ON snapshots (region, owner, id) WHERE recycled = 1;

-- What an account has decided for one region: the state of a setting by name.
CREATE TABLE account_settings (
  region  TEXT NOT NULL,
  account TEXT NOT NULL,
  name    TEXT NOT NULL,
  value   TEXT NOT NULL,
  PRIMARY KEY (region, account, name)
) STRICT, WITHOUT ROWID;

-- Snapshots that restore fast in a zone, by "snap-…/zone".
CREATE TABLE fast_restores (
  region      TEXT NOT NULL,
  id          TEXT NOT NULL,
  owner       TEXT NOT NULL,
  snapshot    TEXT NOT NULL,
  doc_version INTEGER NOT NULL,
  doc         TEXT NOT NULL,
  PRIMARY KEY (region, id)
) STRICT;
CREATE INDEX fast_restores_by_owner ON fast_restores (region, owner, id);
CREATE INDEX fast_restores_by_snapshot ON fast_restores (region, snapshot, id);
