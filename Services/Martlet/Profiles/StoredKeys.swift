// SPDX-License-Identifier: Apache-2.0

/// Things' keys in the profile.
enum StoredKeys {
    /// - Parameter thing: a document with the key in it.
    static func keep(_ thing: JSONValue, _ context: CommandContext) async throws {
        guard let identifier = thing["id"]?.text, let key = thing["credentials"]?["secret"]?.text,
            try context.profile() != nil
        else { return }
        try await context.store.update(context.profileName) {
            $0?.store(Profile.StoredKey(thing: identifier, name: thing["name"]?.text ?? "", key: key))
        }
    }

    static func forget(_ thing: String, _ context: CommandContext) async throws {
        guard try context.profile()?.key(of: thing) != nil else { return }
        try await context.store.update(context.profileName) { $0?.keys.removeAll { $0.thing == thing } }
    }
}
