// SPDX-License-Identifier: Apache-2.0

extension LiveSessions {
    /// Sessions by what they rest on. Most things have one connection: a set for each would take more than what it holds.
    struct Index<Key: Hashable & Sendable>: Sendable {
        private enum Members: Sendable {
            case one(Session)
            case many(Set<Session>)
        }

        private var members: [Key: Members] = [:]

        var all: [Session] {
            members.values.flatMap { members in
                switch members {
                case .one(let session): [session]
                case .many(let sessions): Array(sessions)
                }
            }
        }

        subscript(key: Key) -> [Session] {
            switch members[key] {
            case .one(let session)?: [session]
            case .many(let sessions)?: Array(sessions)
            case nil: []
            }
        }

        func contains(_ session: Session, at key: Key) -> Bool {
            switch members[key] {
            case .one(let only)?: only == session
            case .many(let sessions)?: sessions.contains(session)
            case nil: false
            }
        }

        mutating func insert(_ session: Session, at key: Key) {
            // Taken out meanwhile, so that the set is changed where it is.
            switch members.updateValue(.one(session), forKey: key) {
            case nil: break
            case .one(let only)?: members[key] = .many([only, session])
            case .many(var sessions)?:
                sessions.insert(session)
                members[key] = .many(sessions)
            }
        }

        /// - Returns: whether it was there.
        @discardableResult
        mutating func remove(_ session: Session, at key: Key) -> Bool {
            switch members[key] {
            case nil: return false
            case .one(let only)?:
                guard only == session else { return false }
                members[key] = nil
                return true
            case .many?: break
            }
            guard case .many(var sessions)? = members.updateValue(.one(session), forKey: key) else { return false }
            let wasThere = sessions.remove(session) != nil
            if sessions.isEmpty { members[key] = nil } else { members[key] = .many(sessions) }
            return wasThere
        }
    }
}
