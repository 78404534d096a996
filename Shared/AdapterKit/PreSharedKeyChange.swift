// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging

/// What an event of `things` says about pre-shared keys that are remembered.
enum PreSharedKeyChange: Sendable, Equatable {
    case nothing
    /// The thing's key is not good any more.
    case ended(ThingID)
    /// The key that is remembered is not good any more; there may be another one.
    case replaced(ThingID)
    /// There may be a key.
    case unclear(ThingID)
    case domainEnded(DomainID)
    /// Anything may be different.
    case everything

    /// | event                                              | the thing's key                          |
    /// |----------------------------------------------------|------------------------------------------|
    /// | `thing.disabled`, `thing.removed`, `thing.psk-removed` | is forgotten                         |
    /// | `thing.psk-changed`                                | is forgotten and asked for               |
    /// | `thing.enabled`, and what is not known here        | is asked for                             |
    /// | `thing.created`, `thing.updated`, `thing.key-rotated` | stays                                 |
    /// | `channel.*`, `connection.*`, `group.*`, `grant.*`, `domain.updated` | stays                   |
    /// | `domain.disabled`                                  | those of the domain are forgotten        |
    /// | anything else                                      | all are loaded anew                      |
    init(event: EntityEvent) {
        switch (event.entity, event.what) {
        case ("channel", _), ("connection", _), ("group", _), ("grant", _), ("domain", "updated"): self = .nothing
        case ("thing", let what):
            guard let thing = event.thing else {
                self = .everything
                return
            }
            self =
                switch what {
                case "created", "updated", "key-rotated": .nothing
                case "disabled", "removed", "psk-removed": .ended(thing)
                case "psk-changed": .replaced(thing)
                default: .unclear(thing)
                }
        case ("domain", "disabled"): self = event.domain.map { .domainEnded($0) } ?? .everything
        default: self = .everything
        }
    }
}
