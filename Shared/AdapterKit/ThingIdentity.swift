// SPDX-License-Identifier: Apache-2.0
import Core

/// Who a thing is, by its key, its certificate or its pre-shared key.
public struct ThingIdentity: Sendable, Equatable {
    public let thing: ThingID
    public let domain: DomainID
    let epoch: UInt64

    /// A thing that was identified by an earlier process: nothing is known of it but its name, and each of its rights is asked for.
    public init(remembered thing: ThingID, domain: DomainID) {
        self.init(thing: thing, domain: domain, epoch: 0)
    }

    init(thing: ThingID, domain: DomainID, epoch: UInt64) {
        self.thing = thing
        self.domain = domain
        self.epoch = epoch
    }
}
