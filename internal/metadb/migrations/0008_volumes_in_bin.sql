-- recycled is 1 while the volume is in the Recycle Bin, where nobody sees it, and
-- copying is the source while the volume is being copied from it, otherwise ''.
ALTER TABLE volumes ADD COLUMN recycled INTEGER NOT NULL DEFAULT 0;
CREATE INDEX volumes_in_bin ON volumes (region, owner, id) WHERE recycled = 1;
ALTER TABLE volumes ADD COLUMN copying TEXT NOT NULL DEFAULT '';
CREATE INDEX volumes_copying ON volumes (region, copying, id) WHERE copying <> '';
