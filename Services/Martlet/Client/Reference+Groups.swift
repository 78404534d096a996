// SPDX-License-Identifier: Apache-2.0

extension CommandContext {
    /// A group of things: its identifier, its name, or names from one group down to it (`plant/hall 4`), because each hall may have a line 1.
    /// `/plant` is a group beside all others.
    func group(_ text: String) async throws -> String {
        do {
            return try await group(named: text, in: "/groups")
        } catch let failure as CommandFailure where failure.reason == "unknown-group" && text.contains("/") {
            let names = text.split(separator: "/").map(String.init)
            guard let first = names.first else { throw failure }
            var group = try await group(named: first, in: "/groups", text.hasPrefix("/") ? [("level", "1")] : [])
            for name in names.dropFirst() {
                group = try await self.group(named: name, in: "/groups/\(group)/children", [("level", "1")])
            }
            return group
        }
    }

    private func group(
        named name: String, in path: String, _ filters: [(name: String, value: String)] = []
    ) async throws -> String {
        try await find(name, kind: "group", path: path, member: "groups", filters: [("name", name)] + filters)
    }
}
