// SPDX-License-Identifier: Apache-2.0

/// One event of a stream (WHATWG HTML section 9.2.6).
struct ServerSentEvent: Equatable, Sendable {
    /// `message` unless the stream named another.
    var name: String
    var data: String
    /// The stream's last identifier when the event was dispatched; empty before the first.
    var lastIdentifier: String
}
