// SPDX-License-Identifier: Apache-2.0
import Core

/// What a thing wants to do on a channel.
public enum AccessRight: Sendable, Hashable {
    case publish
    case subscribe
}

/// A channel as a path or topic names it: by identifier, or by its route within a domain.
public struct ChannelReference: Hashable, Sendable {
    enum Name: Hashable, Sendable {
        case identifier(ChannelID)
        case route(String)
    }

    let name: Name
    /// The domain's identifier or route where the path names one (`/m/<domain>/c/<channel>`).
    let domain: String?

    public init(_ channel: some StringProtocol, domain: String? = nil) {
        name = ChannelID(utf8: channel.utf8).map(Name.identifier) ?? .route(String(channel))
        self.domain = domain
    }

    public init(_ channel: ChannelID) {
        name = .identifier(channel)
        domain = nil
    }

    var text: String {
        switch name {
        case .identifier(let identifier): identifier.description
        case .route(let route): route
        }
    }
}

/// One question to ``ThingAuthenticator``: may whoever presents this credential do this on that channel?
public struct AccessRequest: Sendable {
    public var credential: Credential
    public var channel: ChannelReference
    public var right: AccessRight

    public init(credential: Credential, channel: ChannelReference, right: AccessRight) {
        self.credential = credential
        self.channel = channel
        self.right = right
    }
}

/// A right that was found to hold: everything that an envelope needs.
public struct Grant: Sendable, Equatable {
    public let thing: ThingID
    public let domain: DomainID
    public let channel: ChannelID
    public let right: AccessRight
    /// Which state of knowledge it rests on; a live session is checked against what came since.
    let epoch: UInt64
}

/// An answer from memory.
public enum AccessDecision: Sendable, Equatable {
    case allowed(Grant)
    case refused(ServiceError)
    /// Not known here: ``ThingAuthenticator/ask(_:completion:)`` finds out.
    case ask
}
