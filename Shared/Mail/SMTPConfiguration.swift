// SPDX-License-Identifier: Apache-2.0

/// Where mails are handed over.
public struct SMTPConfiguration: Sendable, Equatable {
    public enum Security: String, Sendable, CaseIterable {
        /// RFC 3207: a plain connection that must be upgraded; a server that cannot is not used.
        case starttls
        /// RFC 8314 section 3.3: TLS from the first byte.
        case tls
        /// Only for a server on the same machine.
        case none
    }

    public var host: String
    public var port: Int
    public var security: Security
    /// With the password; nil: no authentication.
    public var username: String?
    public var password: String?
    /// PEM file of the authorities that may sign the server's certificate; nil: the system's.
    public var authorityFile: String?
    /// Given in EHLO: the sender's domain.
    public var helloName: String

    public init(
        host: String, port: Int, security: Security, username: String? = nil, password: String? = nil,
        authorityFile: String? = nil, helloName: String
    ) {
        self.host = host
        self.port = port
        self.security = security
        self.username = username
        self.password = password
        self.authorityFile = authorityFile
        self.helloName = helloName
    }

    /// A name or an address: nothing else can become part of the URL that libcurl is given.
    /// - Returns: what is wrong with it; nil when nothing is.
    public static func problem(host: String) -> String? {
        let isGood = host.utf8.allSatisfy {
            (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0)
                || "-.:".utf8.contains($0)
        }
        return isGood && (1...253).contains(host.utf8.count) ? nil : "must be a host name or an address"
    }
}

/// Why a mail was not taken.
public struct MailError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Kind: Sendable, Equatable {
        /// The server refuses this recipient or this mail (550, 551, 553): trying again will hardly help.
        case refused
        /// The server is away, busy, or does not let us in: worth another try.
        case deferred
    }

    public var kind: Kind
    /// Safe to log: holds neither the mail nor the password.
    public var description: String

    public init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }
}
