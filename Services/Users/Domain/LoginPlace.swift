// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Where a login comes from, as failures are counted and successes remembered.
///
/// An address that has logged in as somebody counts for itself; others count as a block, because who attacks seldom has one address only.
struct LoginPlace: Sendable, Equatable {
    /// The address of IPv4; of IPv6 its /64, within which devices change theirs (RFC 8981).
    var exact: String
    /// IPv4's /24, IPv6's /56, which is what providers give to a household (RIPE-690).
    var block: String

    /// - Parameter address: numeric; what is none stands for itself.
    init(address: String) {
        var four = in_addr()
        var six = in6_addr()
        if inet_pton(AF_INET, address, &four) == 1 {
            self.init(four: withUnsafeBytes(of: &four) { Array($0) })
        } else if inet_pton(AF_INET6, address, &six) == 1 {
            let bytes = withUnsafeBytes(of: &six) { Array($0) }
            // RFC 4291 section 2.5.5.2: an IPv4 address in the form of IPv6.
            if bytes.prefix(12) == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF] {
                self.init(four: Array(bytes.suffix(4)))
            } else {
                self.init(
                    exact: Self.hexadecimal(bytes.prefix(8)) + "/64", block: Self.hexadecimal(bytes.prefix(7)) + "/56")
            }
        } else {
            let text = String(address.prefix(64))
            self.init(exact: text, block: text)
        }
    }

    private init(four bytes: [UInt8]) {
        self.init(
            exact: bytes.map(String.init).joined(separator: "."),
            block: bytes.prefix(3).map(String.init).joined(separator: ".") + ".0/24")
    }

    private init(exact: String, block: String) {
        self.exact = exact
        self.block = block
    }

    private static func hexadecimal(_ bytes: ArraySlice<UInt8>) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// Stands for all places from which nobody has logged in as the identity, together.
    static let everywhere = ""
    /// Remembered for an identity; the one that was used longest ago is forgotten first.
    static let maximumPerIdentity: Int64 = 16
    /// Remembered for so long after the last success.
    static let memoryNanoseconds: Int64 = 90 * 86_400 * 1_000_000_000
}
