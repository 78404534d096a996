// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Core
import Foundation
import Messaging

/// Reads and checks the file of remote brokers.
enum RemotesFile {
    static let maximumRemotes = 64
    /// Of one remote and direction.
    static let maximumMappings = 256

    /// MQTT 3.1.1 has no receive maximum: mosquitto acknowledges messages of QoS 2 beyond its `max_inflight_messages`, which is 20 unless it is set, and loses them.
    static let inFlight311 = 20

    static func load(_ path: String) throws(RemotesProblem) -> [Remote] {
        let data: Data
        do {
            data = try Data(contentsOf: URL(fileURLWithPath: path))
        } catch {
            throw RemotesProblem(field: "", problem: "cannot be read: \(path)")
        }
        return try parse(data)
    }

    static func parse(_ data: Data) throws(RemotesProblem) -> [Remote] {
        let value: FileValue
        do {
            value = try JSONDecoder().decode(FileValue.self, from: data)
        } catch {
            throw RemotesProblem(field: "", problem: "is not JSON (RFC 8259)")
        }
        var file = try FileObject(value, path: "")
        let objects = try file.objects("remotes")
        try file.end()
        guard !objects.isEmpty else { throw file.problem("remotes", "must have a remote broker at least") }
        guard objects.count <= maximumRemotes else {
            throw file.problem("remotes", "may have at most \(maximumRemotes) remote brokers")
        }
        var remotes: [Remote] = []
        for object in objects {
            let remote = try remote(object)
            guard !remotes.contains(where: { $0.name == remote.name }) else {
                throw object.problem("name", "is that of another remote broker, too")
            }
            remotes.append(remote)
        }
        return remotes
    }

    private static func remote(_ object: FileObject) throws(RemotesProblem) -> Remote {
        var object = object
        let name = try object.requiredText("name")
        let isName = name.utf8.allSatisfy {
            switch $0 {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): true
            default: false
            }
        }
        guard isName, name.utf8.count <= 32 else {
            throw object.problem("name", "must be 1 to 32 of the characters a-z, 0-9 and '-'")
        }
        let versionText = try object.text("version") ?? Remote.Version.v5.rawValue
        guard let version = Remote.Version(rawValue: versionText) else {
            throw object.problem("version", "must be \"3.1.1\" or \"5\"")
        }
        let tls = try tls(&object)
        let port = try object.integer("port", default: tls == nil ? 1883 : 8883, in: 1...65_535)
        var thing = try object.object("thing")
        guard let thingKeyFile = try thing?.requiredText("key_file") else {
            throw object.problem("thing", "is missing: {\"key_file\": …}, the key of the thing that the bridge acts as")
        }
        try thing?.end()
        let username = try object.text("username")
        let passwordFile = try object.text("password_file")
        guard passwordFile == nil || username != nil else {
            throw object.problem("username", "is missing, as there is a 'password_file'")
        }
        let remote = Remote(
            name: name, host: try object.requiredText("host"), port: port, version: version,
            clientID: try object.text("client_id") ?? "martlet-\(name)", username: username,
            passwordFile: passwordFile,
            keepAliveSeconds: try object.integer("keep_alive_seconds", default: 60, in: 5...65_535),
            sessionExpirySeconds: UInt32(
                clamping: try object.integer(
                    "session_expiry_seconds", default: 7 * 86_400, in: 0...Int(UInt32.max))),
            maximumInFlight: try object.integer(
                "maximum_in_flight", default: version == .v5 ? 100 : Self.inFlight311, in: 1...1_000), tls: tls,
            thingKeyFile: thingKeyFile, incoming: try incoming(&object), outgoing: try outgoing(&object))
        try object.end()
        guard !remote.incoming.isEmpty || !remote.outgoing.isEmpty else {
            throw object.problem("in", "and '\(object.field("out"))' are both empty: nothing is mapped")
        }
        return remote
    }

    private static func tls(_ object: inout FileObject) throws(RemotesProblem) -> Remote.TLS? {
        guard var tls = try object.object("tls") else { return nil }
        let result = Remote.TLS(
            authorityFile: try tls.text("authority_file"), certificateFile: try tls.text("certificate_file"),
            keyFile: try tls.text("key_file"), verifiesServerName: try tls.boolean("verify_server_name", default: true))
        try tls.end()
        for (name, path) in [
            ("authority_file", result.authorityFile), ("certificate_file", result.certificateFile),
            ("key_file", result.keyFile),
        ] {
            if let path, !FileManager.default.isReadableFile(atPath: path) {
                throw tls.problem(name, "names a file that cannot be read: \(path)")
            }
        }
        guard (result.certificateFile == nil) == (result.keyFile == nil) else {
            throw tls.problem(
                result.keyFile == nil ? "key_file" : "certificate_file", "is missing: certificate and key go together")
        }
        return result
    }

    // MARK: Mappings

    private static func incoming(_ object: inout FileObject) throws(RemotesProblem) -> [InMapping] {
        let entries = try object.objects("in")
        guard entries.count <= maximumMappings else {
            throw object.problem("in", "may have at most \(maximumMappings) mappings")
        }
        var mappings: [InMapping] = []
        for var entry in entries {
            let filter = try entry.requiredText("topic")
            let pattern = try pattern(Self.withoutGroup(filter), entry, "topic")
            let subtopic = try template(
                try entry.anyText("subtopic") ?? "{topic}", names: ["topic"], wildcards: pattern.wildcards, entry,
                "subtopic")
            var contentType: ContentType?
            if let text = try entry.text("content_type") {
                contentType = ContentType(mediaType: text)
                if contentType == nil { throw entry.problem("content_type", "is not a media type") }
            }
            let mapping = InMapping(
                name: entry.path, filter: filter, pattern: pattern, qos: try qos(&entry), channel: try channel(&entry),
                subtopic: subtopic, contentType: contentType)
            try entry.end()
            if let other = mappings.first(where: { $0.pattern.overlaps(pattern) }) {
                throw entry.problem(
                    "topic", "overlaps '\(other.name).topic': it could not be told which of them a message came by")
            }
            mappings.append(mapping)
        }
        return mappings
    }

    private static func outgoing(_ object: inout FileObject) throws(RemotesProblem) -> [OutMapping] {
        let entries = try object.objects("out")
        guard entries.count <= maximumMappings else {
            throw object.problem("out", "may have at most \(maximumMappings) mappings")
        }
        var mappings: [OutMapping] = []
        for var entry in entries {
            var subtopic: TopicPattern?
            if let text = try entry.text("subtopic") { subtopic = try pattern(text, entry, "subtopic") }
            let mapping = OutMapping(
                name: entry.path, channel: try channel(&entry), subtopic: subtopic,
                topic: try template(
                    try entry.requiredText("topic"), names: OutMapping.names, wildcards: subtopic?.wildcards ?? 0,
                    entry, "topic"),
                qos: try qos(&entry), retain: try entry.boolean("retain", default: false))
            try entry.end()
            mappings.append(mapping)
        }
        return mappings
    }

    /// Without `$share/<group>/` (MQTT 5 section 4.8.2).
    private static func withoutGroup(_ filter: String) -> Substring {
        let parts = filter.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
        return parts.count == 3 && parts[0] == "$share" ? parts[2] : filter[...]
    }

    private static func pattern(
        _ text: some StringProtocol, _ entry: FileObject, _ name: String
    ) throws(RemotesProblem) -> TopicPattern {
        do throws(TopicPattern.Problem) {
            return try TopicPattern(text)
        } catch {
            throw entry.problem(name, "\(error)")
        }
    }

    private static func template(
        _ text: String, names: [String], wildcards: Int, _ entry: FileObject, _ name: String
    ) throws(RemotesProblem) -> TopicTemplate {
        do throws(TopicTemplate.Problem) {
            return try TopicTemplate(text, names: names, wildcards: wildcards)
        } catch {
            throw entry.problem(name, "\(error)")
        }
    }

    private static func qos(_ entry: inout FileObject) throws(RemotesProblem) -> QoS {
        QoS(rawValue: try entry.integer("qos", default: 1, in: 0...2)) ?? .atLeastOnce
    }

    private static func channel(_ entry: inout FileObject) throws(RemotesProblem) -> ChannelAddress {
        let text = try entry.requiredText("channel")
        guard let channel = ChannelReference(text) else {
            throw entry.problem("channel", "must be a channel's identifier, or its route")
        }
        guard let name = try entry.text("domain") else { return ChannelAddress(channel) }
        guard let domain = DomainReference(name) else {
            throw entry.problem("domain", "must be a domain's identifier, or its route")
        }
        return ChannelAddress(channel, domain: domain)
    }
}

/// A secret in a file: read when it is needed, so that a new one counts without a restart.
enum SecretFile {
    private static let maximumBytes = 4_096

    /// The file's text without the line break at its end; nil when it cannot be read, is empty or too long.
    static func read(_ path: String) -> String? {
        guard let file = FileHandle(forReadingAtPath: path), let data = try? file.read(upToCount: maximumBytes + 1),
            data.count <= maximumBytes, var text = String(data: data, encoding: .utf8)
        else { return nil }
        while text.last?.isNewline == true { text.removeLast() }
        return text.isEmpty || text.utf8.contains(0) ? nil : text
    }
}
