// SPDX-License-Identifier: Apache-2.0

/// A mailbox as SMTP's `MAIL FROM` and `RCPT TO` take it: `local@domain`, the local part a dot-atom (RFC 5321 section 4.1.2).
///
/// Quoted local parts, address literals and addresses beyond ASCII are not taken: nothing that could end a header or an SMTP command can
/// be a part of a value of this type.
public struct MailAddress: Sendable, Equatable, CustomStringConvertible {
    public let local: String
    public let domain: String

    /// - Returns: nil when `text` is not such an address of at most 254 bytes.
    public init?(_ text: String) {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        guard text.utf8.count <= 254, parts.count == 2, (1...64).contains(parts[0].utf8.count),
            Self.isDotAtom(parts[0], isAllowed: Self.isAtomText),
            Self.isDotAtom(parts[1], isAllowed: { Self.isAlphanumeric($0) || $0 == UInt8(ascii: "-") })
        else { return nil }
        local = String(parts[0])
        domain = String(parts[1])
    }

    public var description: String { "\(local)@\(domain)" }

    private static func isDotAtom(_ text: Substring, isAllowed: (UInt8) -> Bool) -> Bool {
        text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy {
            !$0.isEmpty && $0.allSatisfy(isAllowed)
        }
    }

    /// `atext` of RFC 5322 section 3.2.3.
    private static func isAtomText(_ byte: UInt8) -> Bool {
        isAlphanumeric(byte) || "!#$%&'*+-/=?^_`{|}~".utf8.contains(byte)
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
    }
}
