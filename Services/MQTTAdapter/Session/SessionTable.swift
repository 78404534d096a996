// SPDX-License-Identifier: Apache-2.0

/// Sessions by whose they are. A set of what knows its own key: a dictionary would hold every key a second time.
struct SessionTable {
    private final class Wanted {
        let key: SessionKey

        init(_ key: SessionKey) { self.key = key }
    }

    private enum Entry: Hashable {
        case session(Session)
        /// Never in the set: what is looked for in it.
        case wanted(Wanted)

        private var key: SessionKey {
            switch self {
            case .session(let session): session.key
            case .wanted(let wanted): wanted.key
            }
        }

        static func == (left: Self, right: Self) -> Bool { left.key == right.key }

        func hash(into hasher: inout Hasher) { hasher.combine(key) }
    }

    private var entries: Set<Entry> = []

    var count: Int { entries.count }

    /// In no order.
    var all: [Session] {
        entries.compactMap { entry in
            if case .session(let session) = entry { session } else { nil }
        }
    }

    subscript(key: SessionKey) -> Session? {
        guard let index = entries.firstIndex(of: .wanted(Wanted(key))), case .session(let session) = entries[index]
        else { return nil }
        return session
    }

    /// Puts it in the place of the one with the same key.
    mutating func insert(_ session: Session) { entries.update(with: .session(session)) }

    /// Another session with the same key stays.
    mutating func remove(_ session: Session) {
        guard self[session.key] === session else { return }
        entries.remove(.session(session))
    }
}
