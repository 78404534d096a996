// SPDX-License-Identifier: Apache-2.0
import NIOHTTP1

/// The header fields that a publish looks at, found in one pass.
///
/// Fields that have one meaning only (Host, Authorization, Content-Type, Idempotency-Key, …) are refused when they come twice: picking one
/// of two is how a proxy and a server come to disagree about a request (RFC 9110 section 5.3, RFC 9112 section 3.2).
struct RequestFields {
    var authorization: String?
    var contentType: String?
    var contentEncoding: String?
    var transferEncoding: String?
    var idempotencyKey: String?
    var traceparent: String?
    var expect: String?
    /// Octets announced; nil without the field. The decoder has refused anything that is not a number.
    var contentLength: Int?
    var hasHost = false
    var hasUpgrade = false
    /// The first field that may stand only once and stood twice.
    var repeated: String?

    init(_ headers: HTTPHeaders) {
        for (name, value) in headers {
            switch name.utf8.count {
            case 4 where Self.isName(name, "host"):
                if hasHost { noteRepeated("Host") }
                hasHost = true
            case 6 where Self.isName(name, "expect"):
                if !Self.assign(value, to: &expect) { noteRepeated("Expect") }
            case 7 where Self.isName(name, "upgrade"):
                hasUpgrade = true
            case 11 where Self.isName(name, "traceparent"):
                // Two parents are as good as none (W3C Trace Context section 3.2.1): begin without.
                traceparent = traceparent == nil ? value : ""
            case 12 where Self.isName(name, "content-type"):
                if !Self.assign(value, to: &contentType) { noteRepeated("Content-Type") }
            case 13 where Self.isName(name, "authorization"):
                if !Self.assign(value, to: &authorization) { noteRepeated("Authorization") }
            case 14 where Self.isName(name, "content-length"):
                contentLength = Int(value) ?? Int.max
            case 15 where Self.isName(name, "idempotency-key"):
                if !Self.assign(value, to: &idempotencyKey) { noteRepeated("Idempotency-Key") }
            case 16 where Self.isName(name, "content-encoding"):
                if !Self.assign(value, to: &contentEncoding) { noteRepeated("Content-Encoding") }
            case 17 where Self.isName(name, "transfer-encoding"):
                if !Self.assign(value, to: &transferEncoding) { noteRepeated("Transfer-Encoding") }
            default:
                break
            }
        }
    }

    /// - Returns: false when the field had a value already.
    @inline(__always)
    private static func assign(_ value: String, to field: inout String?) -> Bool {
        guard field == nil else { return false }
        field = value
        return true
    }

    private mutating func noteRepeated(_ name: String) {
        if repeated == nil { repeated = name }
    }

    /// Field names are case-insensitive (RFC 9110 section 5.1). `expected` is in lower case and as long as `name`.
    @inline(__always)
    private static func isName(_ name: String, _ expected: StaticString) -> Bool {
        ASCII.isEqualIgnoringCase(name, expected)
    }
}
