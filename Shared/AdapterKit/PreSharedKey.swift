// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import Messaging

/// A thing's pre-shared key, with which a DTLS handshake proves that it is this thing (RFC 4279).
public struct PreSharedKey: Sendable, Equatable {
    /// RFC 7925 section 4.2 wants at least 128 bits; RFC 4279 section 5.3 that 64 bytes can be given.
    static let secretBytes = 16...64

    public let thing: ThingID
    public let domain: DomainID
    /// 16 to 64 bytes. Never logged.
    public let secret: [UInt8]
    /// Another one whenever the key was made or replaced.
    public let version: Int64

    public init(thing: ThingID, domain: DomainID, secret: [UInt8], version: Int64) {
        self.thing = thing
        self.domain = domain
        self.secret = secret
        self.version = version
    }

    /// nil: the secret is none.
    init?(_ record: PreSharedKeyRecord) {
        guard let secret = Data(base64Encoded: record.secret), Self.secretBytes.contains(secret.count) else {
            return nil
        }
        self.init(thing: record.thing, domain: record.domain, secret: Array(secret), version: record.version)
    }
}

extension PreSharedKey: CustomStringConvertible, CustomReflectable {
    /// Without the secret, wherever one ends up in a log.
    public var description: String { "pre-shared key \(version) of \(thing)" }

    public var customMirror: Mirror {
        Mirror(self, children: ["thing": thing, "domain": domain, "version": version], displayStyle: .struct)
    }
}
