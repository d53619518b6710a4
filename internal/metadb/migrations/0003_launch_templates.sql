-- Launch templates, each with its versions; the ID of a version is that of its
-- template, a colon and its number in ten digits.
CREATE TABLE launch_templates (
  region      TEXT NOT NULL,
  id          TEXT NOT NULL,
  owner       TEXT NOT NULL,
  name        TEXT NOT NULL,
  doc_version INTEGER NOT NULL,
  doc         TEXT NOT NULL,
  PRIMARY KEY (region, id),
  UNIQUE (region, owner, name)
) STRICT;
CREATE INDEX launch_templates_by_owner ON launch_templates (region, owner, id);

CREATE TABLE launch_template_versions (
  region      TEXT NOT NULL,
  id          TEXT NOT NULL,
  owner       TEXT NOT NULL,
  template    TEXT NOT NULL,
  doc_version INTEGER NOT NULL,
  doc         TEXT NOT NULL,
  PRIMARY KEY (region, id),
  FOREIGN KEY (region, template) REFERENCES launch_templates (region, id)
) STRICT;
CREATE INDEX launch_template_versions_by_owner ON launch_template_versions (region, owner, id);
CREATE INDEX launch_template_versions_by_template ON launch_template_versions (region, template, id);

-- Replacements of root volumes, done and under way.
CREATE TABLE root_replacements (
  region      TEXT NOT NULL,
  id          TEXT NOT NULL,
  owner       TEXT NOT NULL,
  instance    TEXT NOT NULL,
  doc_version INTEGER NOT NULL,
  doc         TEXT NOT NULL,
  PRIMARY KEY (region, id)
) STRICT;
CREATE INDEX root_replacements_by_owner ON root_replacements (region, owner, id);
CREATE INDEX root_replacements_by_instance ON root_replacements (region, instance, id);

-- Elastic addresses. An instance that one is associated with has it as its
-- public address too.
CREATE TABLE addresses (
  region      TEXT NOT NULL,
  id          TEXT NOT NULL,
  owner       TEXT NOT NULL,
  public_ip   INTEGER NOT NULL UNIQUE,
  instance    TEXT NOT NULL,
  doc_version INTEGER NOT NULL,
  doc         TEXT NOT NULL,
  PRIMARY KEY (region, id)
) STRICT;
CREATE INDEX addresses_by_owner ON addresses (region, owner, id);
CREATE INDEX addresses_by_instance ON addresses (region, instance, id);
