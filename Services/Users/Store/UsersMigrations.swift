// SPDX-License-Identifier: Apache-2.0
import Postgres

/// The schema's history; see ``Migration``.
enum UsersMigrations {
    static let all: [Migration] = [
        Outbox.migration(number: 1),
        Migration(
            number: 2, name: "create-users",
            sql: """
                -- Times are nanoseconds since 1970, except where a name says seconds.
                CREATE TABLE users (
                    id uuid PRIMARY KEY,
                    name text NOT NULL,
                    identity text NOT NULL,
                    password_hash text NOT NULL,
                    tags text[] NOT NULL,
                    metadata jsonb NOT NULL,
                    is_admin boolean NOT NULL DEFAULT false,
                    status text NOT NULL DEFAULT 'enabled' CHECK (status IN ('enabled', 'disabled')),
                    default_domain uuid,
                    created_at bigint NOT NULL,
                    updated_at bigint NOT NULL
                );
                CREATE UNIQUE INDEX users_identity ON users (lower(identity));

                CREATE TABLE domains (
                    id uuid PRIMARY KEY,
                    name text NOT NULL,
                    route text,
                    tags text[] NOT NULL,
                    metadata jsonb NOT NULL,
                    status text NOT NULL DEFAULT 'enabled' CHECK (status IN ('enabled', 'disabled', 'frozen')),
                    created_by uuid NOT NULL,
                    created_at bigint NOT NULL,
                    updated_at bigint NOT NULL
                );
                CREATE UNIQUE INDEX domains_route ON domains (route) WHERE route IS NOT NULL;

                CREATE TABLE memberships (
                    domain_id uuid NOT NULL REFERENCES domains ON DELETE CASCADE,
                    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
                    role text NOT NULL CHECK (role IN ('viewer', 'editor', 'admin')),
                    created_at bigint NOT NULL,
                    PRIMARY KEY (domain_id, user_id)
                );
                CREATE INDEX memberships_user ON memberships (user_id);
                """),
        Migration(
            number: 3, name: "create-sessions",
            sql: """
                CREATE TABLE sessions (
                    id uuid PRIMARY KEY,
                    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
                    -- What all tokens of the session act in; NULL: no domain.
                    domain_id uuid REFERENCES domains ON DELETE CASCADE,
                    created_at bigint NOT NULL,
                    expires_at bigint NOT NULL,
                    -- When the last access token of the session dies: until then a revocation has to be known.
                    last_token_expires_at_seconds bigint NOT NULL,
                    revoked_at bigint,
                    revoked_reason text
                );
                CREATE INDEX sessions_user ON sessions (user_id) WHERE revoked_at IS NULL;
                CREATE INDEX sessions_domain ON sessions (domain_id) WHERE revoked_at IS NULL;
                CREATE INDEX sessions_revoked ON sessions (last_token_expires_at_seconds) WHERE revoked_at IS NOT NULL;
                CREATE INDEX sessions_expiry ON sessions (expires_at);

                CREATE TABLE refresh_tokens (
                    -- SHA-256 of the token; the token itself is nowhere.
                    hash text PRIMARY KEY,
                    session_id uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
                    issued_at bigint NOT NULL,
                    used_at bigint
                );
                CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id);

                CREATE TABLE signing_keys (
                    id text PRIMARY KEY,
                    -- The Ed25519 seed. Whoever reads this table can sign tokens: only this service's role may.
                    seed bytea NOT NULL,
                    created_at bigint NOT NULL,
                    retired_at bigint
                );
                """),
        Migration(
            number: 4, name: "create-login-failures",
            sql: """
                CREATE TABLE login_failures (
                    -- SHA-256 of the identity in lower case, of users that exist and of those that do not.
                    key text PRIMARY KEY,
                    -- In a row, without a success between them.
                    failures bigint NOT NULL,
                    last_failure_at bigint NOT NULL,
                    locked_until bigint NOT NULL
                );
                CREATE INDEX login_failures_age ON login_failures (last_failure_at);
                """),
        Migration(
            number: 5, name: "create-mails",
            sql: """
                -- Mails that wait. What they say is made when they are sent: no secret lies here.
                CREATE TABLE mails (
                    id uuid PRIMARY KEY,
                    kind text NOT NULL,
                    -- The address, or what somebody typed as one.
                    recipient text NOT NULL,
                    -- What the mail is about, when there is a row for it.
                    subject uuid,
                    created_at bigint NOT NULL,
                    next_attempt_at bigint NOT NULL,
                    attempts bigint NOT NULL DEFAULT 0,
                    refusals bigint NOT NULL DEFAULT 0,
                    last_error text
                );
                CREATE INDEX mails_due ON mails (next_attempt_at);
                -- Who asks for a new password again while the first mail waits gets one mail.
                CREATE UNIQUE INDEX mails_one_reset ON mails (lower(recipient)) WHERE kind = 'password-reset';

                CREATE TABLE password_resets (
                    -- SHA-256 of the token in the mail.
                    hash text PRIMARY KEY,
                    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
                    created_at bigint NOT NULL,
                    expires_at bigint NOT NULL
                );
                CREATE INDEX password_resets_user ON password_resets (user_id);
                CREATE INDEX password_resets_expiry ON password_resets (expires_at);
                """),
        Migration(
            number: 6, name: "create-roles-and-groups",
            sql: """
                -- Counts changes of rights, so that no session begins with those of before.
                ALTER TABLE domains ADD COLUMN rights_version bigint NOT NULL DEFAULT 0;
                -- 'none': a member by custom roles or groups only.
                ALTER TABLE memberships DROP CONSTRAINT memberships_role_check;
                ALTER TABLE memberships ADD CONSTRAINT memberships_role_check
                    CHECK (role IN ('none', 'viewer', 'editor', 'admin'));

                CREATE TABLE roles (
                    id uuid PRIMARY KEY,
                    domain_id uuid NOT NULL REFERENCES domains ON DELETE CASCADE,
                    name text NOT NULL,
                    actions text[] NOT NULL,
                    created_by uuid NOT NULL,
                    created_at bigint NOT NULL,
                    updated_at bigint NOT NULL,
                    -- What refers to a role names the domain, too: nothing is shared between domains.
                    UNIQUE (domain_id, id)
                );
                CREATE UNIQUE INDEX roles_name ON roles (domain_id, lower(name));
                CREATE TABLE role_members (
                    role_id uuid NOT NULL,
                    domain_id uuid NOT NULL,
                    user_id uuid NOT NULL,
                    PRIMARY KEY (role_id, user_id),
                    FOREIGN KEY (domain_id, role_id) REFERENCES roles (domain_id, id) ON DELETE CASCADE,
                    FOREIGN KEY (domain_id, user_id) REFERENCES memberships ON DELETE CASCADE
                );
                CREATE INDEX role_members_user ON role_members (domain_id, user_id);

                CREATE TABLE user_groups (
                    id uuid PRIMARY KEY,
                    domain_id uuid NOT NULL REFERENCES domains ON DELETE CASCADE,
                    name text NOT NULL,
                    metadata jsonb NOT NULL,
                    role text NOT NULL CHECK (role IN ('none', 'viewer', 'editor', 'admin')),
                    created_by uuid NOT NULL,
                    created_at bigint NOT NULL,
                    updated_at bigint NOT NULL,
                    UNIQUE (domain_id, id)
                );
                CREATE UNIQUE INDEX user_groups_name ON user_groups (domain_id, lower(name));
                CREATE TABLE user_group_members (
                    group_id uuid NOT NULL,
                    domain_id uuid NOT NULL,
                    user_id uuid NOT NULL,
                    PRIMARY KEY (group_id, user_id),
                    FOREIGN KEY (domain_id, group_id) REFERENCES user_groups (domain_id, id) ON DELETE CASCADE,
                    FOREIGN KEY (domain_id, user_id) REFERENCES memberships ON DELETE CASCADE
                );
                CREATE INDEX user_group_members_user ON user_group_members (domain_id, user_id);
                CREATE TABLE user_group_roles (
                    group_id uuid NOT NULL,
                    role_id uuid NOT NULL,
                    domain_id uuid NOT NULL,
                    PRIMARY KEY (group_id, role_id),
                    FOREIGN KEY (domain_id, group_id) REFERENCES user_groups (domain_id, id) ON DELETE CASCADE,
                    FOREIGN KEY (domain_id, role_id) REFERENCES roles (domain_id, id) ON DELETE CASCADE
                );
                CREATE INDEX user_group_roles_role ON user_group_roles (domain_id, role_id);
                """),
        Migration(
            number: 7, name: "create-api-keys",
            sql: """
                CREATE TABLE api_keys (
                    id uuid PRIMARY KEY,
                    -- How the secret begins.
                    kind text NOT NULL CHECK (kind IN ('martlet_key_', 'martlet_pat_')),
                    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
                    domain_id uuid NOT NULL REFERENCES domains ON DELETE CASCADE,
                    name text NOT NULL,
                    note text NOT NULL,
                    -- SHA-256 of the secret; the secret itself is nowhere.
                    hash text NOT NULL UNIQUE,
                    hint text NOT NULL,
                    -- {"things:read": ["*"]}; NULL: everything that the user may do in the domain.
                    scopes jsonb,
                    created_at bigint NOT NULL,
                    updated_at bigint NOT NULL,
                    expires_at bigint,
                    last_used_at bigint,
                    revoked_at bigint
                );
                CREATE INDEX api_keys_user ON api_keys (user_id);
                CREATE INDEX api_keys_domain ON api_keys (domain_id);
                """),
        Migration(
            number: 8, name: "create-invitations",
            sql: """
                CREATE TABLE invitations (
                    id uuid PRIMARY KEY,
                    domain_id uuid NOT NULL REFERENCES domains ON DELETE CASCADE,
                    -- Whom it is for, when it is known; who invited by identity does not learn it.
                    user_id uuid REFERENCES users ON DELETE CASCADE,
                    identity text,
                    role text CHECK (role IN ('viewer', 'editor', 'admin')),
                    role_id uuid,
                    -- SHA-256 of the token in the mail.
                    token_hash text,
                    invited_by uuid NOT NULL,
                    created_at bigint NOT NULL,
                    expires_at bigint NOT NULL,
                    rejected_at bigint,
                    CHECK (user_id IS NOT NULL OR identity IS NOT NULL),
                    CHECK ((role IS NULL) <> (role_id IS NULL)),
                    FOREIGN KEY (domain_id, role_id) REFERENCES roles (domain_id, id) ON DELETE CASCADE
                );
                CREATE UNIQUE INDEX invitations_user ON invitations (domain_id, user_id);
                CREATE UNIQUE INDEX invitations_identity ON invitations (domain_id, lower(identity));
                CREATE INDEX invitations_of_user ON invitations (user_id);
                CREATE UNIQUE INDEX invitations_token ON invitations (token_hash);
                CREATE INDEX invitations_expiry ON invitations (expires_at);
                """),
        Migration(
            number: 9, name: "count-login-failures-by-place",
            sql: """
                -- An address or a block of them; '': all places together from which nobody has logged in.
                ALTER TABLE login_failures ADD COLUMN place text NOT NULL DEFAULT '';
                ALTER TABLE login_failures ALTER COLUMN place DROP DEFAULT;
                ALTER TABLE login_failures DROP CONSTRAINT login_failures_pkey;
                ALTER TABLE login_failures ADD PRIMARY KEY (key, place);
                -- From where people have logged in.
                CREATE TABLE login_places (
                    -- As in login_failures.
                    key text NOT NULL,
                    place text NOT NULL,
                    last_login_at bigint NOT NULL,
                    PRIMARY KEY (key, place)
                );
                CREATE INDEX login_places_age ON login_places (last_login_at);
                """),
        Migration(
            number: 10, name: "create-lock-outs",
            sql: """
                -- Locks that are not announced yet. A row for an identity that nobody has, too: what a failed login writes must not take
                -- longer for one that somebody has.
                CREATE TABLE lock_outs (
                    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                    user_id uuid,
                    locked_at bigint NOT NULL,
                    -- Where the request came from that locked it.
                    origin jsonb
                );
                """),
        Migration(
            number: 11, name: "create-removed-sessions",
            sql: """
                -- Of users who were removed, until the last token has died: until then a revocation has to be known.
                CREATE TABLE removed_sessions (
                    id uuid PRIMARY KEY,
                    last_token_expires_at_seconds bigint NOT NULL
                );
                CREATE INDEX removed_sessions_expiry ON removed_sessions (last_token_expires_at_seconds);
                CREATE INDEX invitations_inviter ON invitations (invited_by);
                """),
    ]
}
