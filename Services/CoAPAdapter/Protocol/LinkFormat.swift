// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// What `/.well-known/core` says (RFC 6690). Short: who asks has not said who it is, and an answer must not be much longer than the question.
package enum LinkFormat {
    package static let contentFormat: UInt16 = 40

    private struct Link {
        let target: String
        let attributes: String
    }

    private static let links = [
        Link(target: "/channels", attributes: #";ct="110 112";obs"#),
        Link(target: "/m", attributes: #";ct="110 112";obs"#),
    ]

    /// - Parameter query: the Uri-Query options: `href=/m` or `href=/m*` leaves the others out (RFC 6690 section 4.1); by what else may be asked, nothing is found.
    package static func document(_ query: [[UInt8]]) -> ByteBuffer {
        let found = links.filter { link in query.allSatisfy { matches(link, String(decoding: $0, as: UTF8.self)) } }
        return ByteBuffer(string: found.map { "<\($0.target)>\($0.attributes)" }.joined(separator: ","))
    }

    private static func matches(_ link: Link, _ filter: String) -> Bool {
        guard filter.hasPrefix("href=") else { return false }
        let value = filter.dropFirst(5)
        return value.hasSuffix("*") ? link.target.hasPrefix(value.dropLast()) : link.target == value
    }
}
