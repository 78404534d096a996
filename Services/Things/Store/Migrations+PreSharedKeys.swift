// SPDX-License-Identifier: Apache-2.0
import Postgres

extension ThingsMigrations {
    /// One pre-shared key for a thing at most; its secret is encrypted by the key with that identifier (``SecretKeyRing``).
    ///
    /// An identity's bytes count, and one belongs to one thing in all domains. A version is never used twice, so that a key which was removed and made
    /// again is another one.
    static let createPreSharedKeys = Migration(
        number: 7, name: "create-pre-shared-keys",
        sql: """
            CREATE SEQUENCE thing_psk_versions;
            CREATE TABLE thing_psks (
                thing uuid PRIMARY KEY REFERENCES things (id) ON DELETE CASCADE,
                identity text COLLATE "C" NOT NULL CHECK (octet_length(identity) BETWEEN 1 AND 128),
                key_id bytea NOT NULL CHECK (octet_length(key_id) = 8),
                sealed bytea NOT NULL,
                version bigint NOT NULL DEFAULT nextval('thing_psk_versions'),
                created_at bigint NOT NULL,
                created_by uuid,
                CONSTRAINT thing_psks_identity UNIQUE (identity)
            );
            """)
}
