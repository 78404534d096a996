// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Where an MQTT server is: `mqtt://host`, with a port where it is not 1883.
struct MQTTAddress: Equatable, Sendable, CustomStringConvertible {
    let host: String
    let port: Int

    var description: String { "mqtt://\(host.contains(":") ? "[\(host)]" : host):\(port)" }

    init(_ text: String) throws(CommandFailure) {
        guard let components = URLComponents(string: text, encodingInvalidCharacters: false),
            components.scheme?.lowercased() == "mqtt", let host = components.host, !host.isEmpty,
            components.user == nil, components.password == nil, components.query == nil,
            components.fragment == nil, ["", "/"].contains(components.path)
        else { throw .usage("'\(text)' is no address of an MQTT server", advice: "for example mqtt://localhost:1883") }
        self.host = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host
        port = components.port ?? 1_883
    }

    /// On the machine of the front door.
    init(beside server: ServerAddress) {
        let host = URLComponents(string: server.description)?.host ?? "localhost"
        self.host = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host
        port = 1_883
    }
}
