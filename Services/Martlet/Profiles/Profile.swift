// SPDX-License-Identifier: Apache-2.0

/// A server, who one is there, and what proves it.
struct Profile: Equatable, Sendable {
    /// Every name that is a file's name without surprises.
    static func isName(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count) && text.first != "."
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                    true
                default: false
                }
            }
    }

    /// A thing's key: the server shows it once and can never show it again.
    struct StoredKey: Equatable, Sendable {
        var thing: String
        var name: String
        var key: String
    }

    var url: String
    var identity: String?
    var accessToken: String?
    /// Good for one use.
    var refreshToken: String?
    /// A key for programs that stands in the place of a session; the session's tokens are nil then.
    var apiKey: String?
    /// Where ``apiKey`` acts, which it does not say itself.
    var domain: String?
    var keys: [StoredKey] = []

    init(url: String) { self.url = url }

    var isLoggedIn: Bool { refreshToken != nil || apiKey != nil }

    /// Takes the session or the key out; things' keys stay.
    mutating func forgetLogin() {
        accessToken = nil
        refreshToken = nil
        apiKey = nil
        domain = nil
    }

    /// - Parameter thing: an identifier, or a name that one stored key has.
    func key(of thing: String) -> StoredKey? {
        if let found = keys.first(where: { $0.thing == thing.lowercased() }) { return found }
        let named = keys.filter { $0.name == thing }
        return named.count == 1 ? named[0] : nil
    }

    mutating func store(_ key: StoredKey) {
        keys.removeAll { $0.thing == key.thing }
        keys.append(key)
    }
}

extension Profile {
    var json: JSONValue {
        .document([
            ("url", .string(url)), ("identity", identity.map(JSONValue.string)),
            ("access_token", accessToken.map(JSONValue.string)),
            ("refresh_token", refreshToken.map(JSONValue.string)),
            ("api_key", apiKey.map(JSONValue.string)), ("domain_id", domain.map(JSONValue.string)),
            (
                "keys",
                .array(
                    keys.map {
                        .document([("thing", .string($0.thing)), ("name", .string($0.name)), ("key", .string($0.key))])
                    })
            ),
        ])
    }

    /// nil where it is not what ``json`` wrote.
    init?(_ json: JSONValue) {
        guard let url = json["url"]?.text else { return nil }
        self.init(url: url)
        identity = json["identity"]?.text
        accessToken = json["access_token"]?.text
        refreshToken = json["refresh_token"]?.text
        apiKey = json["api_key"]?.text
        domain = json["domain_id"]?.text
        for element in json["keys"]?.elements ?? [] {
            guard let thing = element["thing"]?.text, let key = element["key"]?.text else { return nil }
            keys.append(StoredKey(thing: thing, name: element["name"]?.text ?? "", key: key))
        }
    }
}
