// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit

/// A request for a token, as it is sent.
struct LoginAttempt: Sendable {
    let headers: [(String, String)]
    let body: [UInt8]

    /// - Parameter address: where it is said to come from, as a proxy on loopback says it: failures are counted by address, and so many at
    ///   once come from many.
    init(identity: String, secret: String, address: String) {
        headers = [("Content-Type", "application/json"), ("X-Forwarded-For", address)]
        body = Array(#"{"identity":"\#(identity)","secret":"\#(secret)"}"#.utf8)
    }

    /// - Returns: the answer, and the milliseconds from before the request is sent until the answer is read.
    func send(
        on connection: BlockingHTTPConnection
    ) throws -> (answer: BlockingHTTPConnection.Response, milliseconds: Double) {
        let began = ContinuousClock.now
        let answer = try connection.send("POST", "/users/tokens/issue", headers: headers, body: body)
        return (answer, began.duration(to: .now) / .milliseconds(1))
    }
}
