// SPDX-License-Identifier: Apache-2.0
import Postgres

/// Rows cut off where the bytes of those before pass a limit; the first one always remains.
enum SizedPage {
    /// - Parameters:
    ///   - rows: a statement whose rows come in `order`.
    ///   - size: an expression on its columns, in bytes.
    /// - Returns: `rows` with a further column `is_followed`: whether another row comes after it, cut off or not.
    static func cut(_ rows: SQL, size: SQL, order: SQL, bytes: Int) -> SQL {
        """
        SELECT * FROM (
            SELECT *, lead(true, 1, false) OVER w AS is_followed, sum(\(size)) OVER w - \(size) AS bytes_before
            FROM (\(rows)) AS page WINDOW w AS (ORDER BY \(order) ROWS UNBOUNDED PRECEDING)) AS sized
        WHERE bytes_before < \(bytes) ORDER BY \(order)
        """
    }

    /// The bytes of a SenML record that no other limit bounds.
    static let recordSize: SQL =
        "(coalesce(octet_length(string_value), 0) + coalesce(octet_length(data_value), 0))"
}
