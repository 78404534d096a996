// SPDX-License-Identifier: Apache-2.0

/// Who receives a message: the same set serves every subject with the same receivers, so that runs of frames on different subjects
/// are still copied as one range.
final class TargetSet {
    /// Slots of connections with a plain subscription, each once, ascending.
    let connections: ContiguousArray<Int32>
    let groups: [QueueGroup]

    init(connections: ContiguousArray<Int32>, groups: [QueueGroup]) {
        self.connections = connections
        self.groups = groups
    }

    var isEmpty: Bool { connections.isEmpty && groups.isEmpty }
}

/// The members of one queue group that match a subject; each message goes to one of them.
final class QueueGroup {
    struct Member: Hashable {
        let slot: Int32
        let identifier: UInt32
    }

    let name: String
    let members: [Member]
    private var next = 0

    init(name: String, members: [Member]) {
        self.name = name
        self.members = members
    }

    /// The member for the next message: round robin, but past a member whose backlog is above twice the smallest one's and above
    /// `tolerance` bytes, so that a slow member does not collect what others could do.
    func choose(tolerance: Int, backlog: (Int32) -> Int) -> Member? {
        guard members.count > 1 else { return members.first }
        var least = Int.max
        var leastIndex = 0
        for index in members.indices {
            let bytes = backlog(members[index].slot)
            if bytes < least {
                least = bytes
                leastIndex = index
            }
        }
        next = next + 1 < members.count ? next + 1 : 0
        let candidate = backlog(members[next].slot)
        if candidate > tolerance, candidate / 2 > least { next = leastIndex }
        return members[next]
    }
}
