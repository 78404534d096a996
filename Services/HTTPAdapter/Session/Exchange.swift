// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// A request that was begun and is not answered yet, in its connection's queue: answers leave in the order in which requests came.
struct Exchange {
    let startedAt: NIODeadline
    /// No content in the answer.
    let isHEAD: Bool
    /// False: the client, or the version, wants the connection closed behind the answer.
    var keepsAlive: Bool
    /// Keeping the connection must be confirmed to an HTTP/1.0 client.
    let isHTTP10: Bool
    /// The client waits for `100 Continue` before it sends the body (RFC 9110 section 10.1.1).
    var owesContinue = false
    /// From when the bus has the message; nil before.
    var publishedAt: NIODeadline?
    /// Set when it is known; written when its turn has come.
    var answer: Answer?
}
