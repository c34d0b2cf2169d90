-- Who used an invite lately: whoever asks again for the same key, because the answer did not arrive, uses it once.
CREATE TABLE redeemed (
    token_hash BLOB NOT NULL,
    peer_id TEXT NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (token_hash, peer_id)
) WITHOUT ROWID;
