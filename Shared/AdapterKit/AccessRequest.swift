// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging

/// What a thing wants to do on a channel.
public enum AccessRight: Sendable, Hashable {
    case publish
    case subscribe
}

/// A channel as a path or topic names it, with the domain where that names one too.
public struct ChannelAddress: Hashable, Sendable {
    public let channel: ChannelReference
    /// From `/m/<domain>/c/<channel>`; the channel must then be this domain's.
    public let domain: DomainReference?

    public init(_ channel: ChannelReference, domain: DomainReference? = nil) {
        self.channel = channel
        self.domain = domain
    }

    public init(_ path: MessagePath) {
        self.init(path.channel, domain: path.domain)
    }

    public init(_ channel: ChannelID) {
        self.init(.identifier(channel))
    }
}

/// One question to ``ThingAuthenticator``: may whoever presents this credential do this on that channel?
public struct AccessRequest: Sendable {
    public var credential: Credential
    public var channel: ChannelAddress
    public var right: AccessRight

    public init(credential: Credential, channel: ChannelAddress, right: AccessRight) {
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
