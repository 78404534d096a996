// SPDX-License-Identifier: Apache-2.0

/// Limits of the management APIs.
public enum HTTPLimits {
    /// A request's body: a bulk of a thousand things with 1 KiB of metadata each.
    public static let bodyBytes = 1 << 20
    /// A connection that is silent, or has not sent a whole head, for so long is closed.
    public static let idleSeconds: Int64 = 75
    /// A body may take so long: 17 KiB/s for one of the largest size.
    public static let requestBodySeconds: Int64 = 60
    /// An answer of which the client takes nothing for so long is given up.
    public static let answerSeconds: Int64 = 60
    /// Open connections of one service: each costs about 40 KiB while a request is on its way, so 80 MiB at most.
    public static let connections = 2_000
    /// All header fields of a request together.
    public static let headerBytes = 32 << 10
    /// A page of a list.
    public static let pageSize = 100
    public static let defaultPageSize = 10
    /// Beyond this many rows an offset is a walk through the table: page by cursor.
    public static let maximumOffset = 1_000_000
    /// A query string: filters and a cursor.
    public static let queryBytes = 8 << 10
}
