#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Run by the postgres image when its cluster is new: one role for each service, with the right to make its own schema and nothing of another's.
set -euo pipefail
for service in users things journal writer-postgres reader-postgres; do
    psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" -v role="martlet_${service//-/_}" \
        -v password="$(cat "/secrets/database-$service")" <<'SQL'
CREATE ROLE :"role" LOGIN PASSWORD :'password';
GRANT CONNECT, CREATE ON DATABASE martlet TO :"role";
SQL
done
