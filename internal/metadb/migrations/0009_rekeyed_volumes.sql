-- rekeyed is the disk that the volume began with and the key that it was encrypted
-- with after that, separated by a space, or ''.
ALTER TABLE volumes ADD COLUMN rekeyed TEXT NOT NULL DEFAULT '';
CREATE INDEX volumes_rekeyed ON volumes (rekeyed, region, id) WHERE rekeyed <> '';
