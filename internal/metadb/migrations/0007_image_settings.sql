-- Organizations of accounts, their units in a tree, and who is where. unit and
-- parent are '' at the root.
CREATE TABLE organizations (
  id         TEXT PRIMARY KEY,
  management TEXT NOT NULL UNIQUE REFERENCES accounts (id),
  created    INTEGER NOT NULL
) STRICT;

CREATE TABLE organizational_units (
  id           TEXT PRIMARY KEY,
  organization TEXT NOT NULL REFERENCES organizations (id),
  parent       TEXT NOT NULL,
  name         TEXT NOT NULL,
  UNIQUE (organization, parent, name)
) STRICT;

CREATE TABLE organization_members (
  account      TEXT PRIMARY KEY REFERENCES accounts (id),
  organization TEXT NOT NULL REFERENCES organizations (id),
  unit         TEXT NOT NULL
) STRICT;
CREATE INDEX organization_members_by_organization ON organization_members (organization, unit, account);

-- Accounts that publish images under an alias: amazon, aws-marketplace,
-- aws-backup-vault.
CREATE TABLE image_owner_aliases (
  account TEXT PRIMARY KEY REFERENCES accounts (id),
  alias   TEXT NOT NULL
) STRICT;

CREATE TABLE image_usage_reports (
  region      TEXT NOT NULL,
  id          TEXT NOT NULL,
  owner       TEXT NOT NULL,
  image       TEXT NOT NULL,
  expires     INTEGER NOT NULL,
  doc_version INTEGER NOT NULL,
  doc         TEXT NOT NULL,
  PRIMARY KEY (region, id)
) STRICT;
CREATE INDEX image_usage_reports_by_owner ON image_usage_reports (region, owner, id);
CREATE INDEX image_usage_reports_by_image ON image_usage_reports (region, image, id);
CREATE INDEX image_usage_reports_by_expiry ON image_usage_reports (expires);

-- Work that is due on images by their state.
CREATE INDEX images_by_state ON images (state, region, id);
