// SPDX-License-Identifier: Apache-2.0

/// Whose word is taken for where a request comes from. Without it all callers behind the front door would share one rate limit; with too much of it
/// anybody could make up an address.
public enum TrustedProxies: String, Sendable {
    case nobody = "none"
    /// A proxy on the same machine.
    case loopback
    /// Also one in a private network (RFC 1918, RFC 4193): containers.
    case `private`

    /// - Parameter name: a value of `StandardKeys.trustedProxies`; another trusts nobody.
    public init(_ name: String) { self = TrustedProxies(rawValue: name) ?? .nobody }

    /// The last entry of `X-Forwarded-For` is what our own proxy added; those before it came from outside and prove nothing.
    public func callerAddress(peer: String, forwardedFor: String?) -> String {
        guard isTrusted(peer), let last = forwardedFor?.split(separator: ",").last else { return peer }
        let address = last.filter { $0 != " " }
        // 45 characters hold any address; whatever else stands there must not become a key of a table.
        guard (2...45).contains(address.utf8.count), address.allSatisfy({ $0.isHexDigit || $0 == "." || $0 == ":" })
        else {
            return peer
        }
        return String(address)
    }

    private func isTrusted(_ peer: String) -> Bool {
        switch self {
        case .nobody: false
        case .loopback: Self.isLoopback(peer)
        case .private: Self.isLoopback(peer) || Self.isPrivate(peer)
        }
    }

    private static func isLoopback(_ address: String) -> Bool {
        address == "::1" || address.hasPrefix("127.") || address.hasPrefix("::ffff:127.")
    }

    private static func isPrivate(_ address: String) -> Bool {
        let plain = address.hasPrefix("::ffff:") ? String(address.dropFirst(7)) : address
        if plain.hasPrefix("10.") || plain.hasPrefix("192.168.") || plain.hasPrefix("fd") || plain.hasPrefix("fc") {
            return true
        }
        let octets = plain.split(separator: ".")
        guard octets.count == 4, octets[0] == "172", let second = Int(octets[1]) else { return false }
        return (16...31).contains(second)
    }
}
