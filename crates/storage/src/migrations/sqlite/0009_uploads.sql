-- XEP-0363. An upload is what a URL names: an open slot (whole = 0, gone at
-- expires_at_ms), or a file (whole = 1). name_hash is of the random part of the
-- URL. bytes is what was promised. Sealed: that part, file name, content type.
CREATE TABLE uploads (
    name_hash BLOB PRIMARY KEY,
    owner INTEGER NOT NULL,
    object BLOB NOT NULL,
    whole INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    sealed BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX uploads_by_owner ON uploads (owner, whole, name_hash, expires_at_ms, bytes);
CREATE INDEX uploads_by_object ON uploads (object);
CREATE INDEX uploads_by_age ON uploads (whole, at_ms);
CREATE INDEX uploads_by_expiry ON uploads (whole, expires_at_ms);

-- What uploads hold; two with the same content share one. parts is a list of 16
-- bytes of id and 4 bytes of length, each an object of the media store. A content
-- without its hash is not whole. removing = 1: no upload holds it, its parts go,
-- then this row. Sealed: the key of the parts.
CREATE TABLE media (
    object BLOB PRIMARY KEY,
    owner INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    parts BLOB NOT NULL,
    content_hash BLOB,
    removing INTEGER NOT NULL,
    sealed BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX media_by_content ON media (owner, content_hash);
CREATE INDEX media_to_remove ON media (removing, object);
