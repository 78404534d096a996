// SPDX-License-Identifier: Apache-2.0
import Core

/// Rules and matching of bus subjects and filters, on bytes.
///
/// A *subject* is dot-separated tokens, each at least one byte of UTF-8 without space, control characters, `*` or `>`; at most
/// ``Core/Limits/subjectBytes`` long. A *filter* may also have `*` for one whole token and a last `>` for one or more tokens, as in
/// NATS. (NATS takes `*` and `>` inside a longer token literally; here they are refused, so that no reader has to know.)
public enum SubjectFilter {
    @usableFromInline static let dot = UInt8(ascii: ".")
    @usableFromInline static let anyToken = UInt8(ascii: "*")
    @usableFromInline static let anyTail = UInt8(ascii: ">")

    /// Whether a message may be published on it: no wildcards.
    public static func isValidSubject(_ bytes: UnsafeRawBufferPointer) -> Bool {
        isValid(bytes, allowingWildcards: false)
    }

    /// Whether a message may be published on it: no wildcards.
    public static func isValidSubject(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { isValidSubject(UnsafeRawBufferPointer($0)) }
    }

    /// Whether it may be subscribed to; every valid subject is a valid filter.
    public static func isValidFilter(_ bytes: UnsafeRawBufferPointer) -> Bool {
        isValid(bytes, allowingWildcards: true)
    }

    /// Whether it may be subscribed to; every valid subject is a valid filter.
    public static func isValidFilter(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { isValidFilter(UnsafeRawBufferPointer($0)) }
    }

    /// Whether a filter has a wildcard; without one it matches the equal subject only.
    @inlinable
    public static func hasWildcard(_ filter: UnsafeRawBufferPointer) -> Bool {
        for byte in filter where byte == anyToken || byte == anyTail { return true }
        return false
    }

    /// Whether `filter` matches `subject`. Both must be valid; with others the answer means nothing but nothing bad happens.
    @inlinable
    public static func matches(filter: UnsafeRawBufferPointer, subject: UnsafeRawBufferPointer) -> Bool {
        var position = 0
        var offset = 0
        while position < filter.count {
            let byte = filter[position]
            position += 1
            if byte == anyTail { return offset < subject.count }
            if byte == anyToken {
                guard offset < subject.count, subject[offset] != dot else { return false }
                repeat { offset += 1 } while offset < subject.count && subject[offset] != dot
                continue
            }
            guard offset < subject.count, subject[offset] == byte else { return false }
            offset += 1
        }
        return offset == subject.count
    }

    public static func matches(filter: String, subject: String) -> Bool {
        var filter = filter
        var subject = subject
        return filter.withUTF8 { filter in
            subject.withUTF8 { subject in
                matches(filter: UnsafeRawBufferPointer(filter), subject: UnsafeRawBufferPointer(subject))
            }
        }
    }

    /// Whether some subject matches both filters: two streams whose filters overlap would both capture it.
    public static func overlaps(_ left: String, _ right: String) -> Bool {
        compare(left, right) { left, right in
            if left == ">" || right == ">" { return .yes }
            return left == right || left == "*" || right == "*" ? .undecided : .no
        }
    }

    /// Whether every subject that `filter` matches is matched by `wider` too: what a role may subscribe to.
    public static func covers(_ wider: String, _ filter: String) -> Bool {
        compare(wider, filter) { wider, filter in
            if wider == ">" { return .yes }
            if filter == ">" { return .no }
            return wider == "*" || wider == filter ? .undecided : .no
        }
    }

    private enum Verdict { case yes, no, undecided }

    /// Walks two filters token by token until `step` decides; left undecided, they must be equally long.
    private static func compare(
        _ left: String, _ right: String, step: (_ left: Substring, _ right: Substring) -> Verdict
    ) -> Bool {
        let left = left.split(separator: ".", omittingEmptySubsequences: false)
        let right = right.split(separator: ".", omittingEmptySubsequences: false)
        for (one, other) in zip(left, right) {
            switch step(one, other) {
            case .yes: return true
            case .no: return false
            case .undecided: continue
            }
        }
        return left.count == right.count
    }

    private static func isValid(_ bytes: UnsafeRawBufferPointer, allowingWildcards: Bool) -> Bool {
        guard !bytes.isEmpty, bytes.count <= Limits.subjectBytes else { return false }
        var tokenStart = 0
        var isASCII = true
        for (offset, byte) in bytes.enumerated() {
            switch byte {
            case dot:
                guard offset > tokenStart else { return false }
                tokenStart = offset + 1
            case anyToken:
                let isWhole = offset == tokenStart && (offset + 1 == bytes.count || bytes[offset + 1] == dot)
                guard allowingWildcards, isWhole else { return false }
            case anyTail:
                guard allowingWildcards, offset == tokenStart, offset + 1 == bytes.count else { return false }
            case 0...0x20, 0x7F: return false
            case 0x80...0xFF: isASCII = false
            default: continue
            }
        }
        guard tokenStart < bytes.count else { return false }
        return isASCII || UTF8Validation.isValidText(bytes)
    }
}
