-- Keys of the key management service. due is the next time at which something
-- happens to one by itself, its deletion or a rotation, or 0.
CREATE TABLE kms_keys (
  region      TEXT NOT NULL,
  id          TEXT NOT NULL,
  owner       TEXT NOT NULL,
  due         INTEGER NOT NULL,
  doc_version INTEGER NOT NULL,
  doc         TEXT NOT NULL,
  PRIMARY KEY (region, id)
) STRICT;
CREATE INDEX kms_keys_by_owner ON kms_keys (region, owner, id);
CREATE INDEX kms_keys_by_id ON kms_keys (id);
CREATE INDEX kms_keys_by_due ON kms_keys (due);

-- What keys encrypt with, sealed: docs/design/kms.md. reason is '' for the
-- first material of a key, else why it was rotated.
CREATE TABLE kms_materials (
  region  TEXT NOT NULL,
  kms_key TEXT NOT NULL,
  number  INTEGER NOT NULL,
  id      TEXT NOT NULL,
  reason  TEXT NOT NULL,
  created INTEGER NOT NULL,
  sealed  BLOB NOT NULL,
  PRIMARY KEY (region, kms_key, number),
  FOREIGN KEY (region, kms_key) REFERENCES kms_keys (region, id)
) STRICT;

-- The ID of an alias is its account, a colon and its name.
CREATE TABLE kms_aliases (
  region      TEXT NOT NULL,
  id          TEXT NOT NULL,
  owner       TEXT NOT NULL,
  kms_key     TEXT NOT NULL,
  doc_version INTEGER NOT NULL,
  doc         TEXT NOT NULL,
  PRIMARY KEY (region, id),
  FOREIGN KEY (region, kms_key) REFERENCES kms_keys (region, id)
) STRICT;
CREATE INDEX kms_aliases_by_owner ON kms_aliases (region, owner, id);
CREATE INDEX kms_aliases_by_key ON kms_aliases (region, kms_key, id);

CREATE TABLE kms_grants (
  region      TEXT NOT NULL,
  id          TEXT NOT NULL,
  owner       TEXT NOT NULL,
  kms_key     TEXT NOT NULL,
  grantee     TEXT NOT NULL,
  retiring    TEXT NOT NULL,
  doc_version INTEGER NOT NULL,
  doc         TEXT NOT NULL,
  PRIMARY KEY (region, id),
  FOREIGN KEY (region, kms_key) REFERENCES kms_keys (region, id)
) STRICT;
CREATE INDEX kms_grants_by_owner ON kms_grants (region, owner, id);
CREATE INDEX kms_grants_by_key ON kms_grants (region, kms_key, grantee, id);
CREATE INDEX kms_grants_by_retiring ON kms_grants (region, retiring, id);
