// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Where the front door is: `http` or `https`, host, perhaps a port and a path before all others; never credentials, a query or a fragment.
struct ServerAddress: Equatable, Sendable, CustomStringConvertible {
    static let local = "http://localhost:8080"

    let description: String

    init(_ text: String) throws(CommandFailure) {
        guard let components = URLComponents(string: text, encodingInvalidCharacters: false),
            let scheme = components.scheme?.lowercased(),
            scheme == "http" || scheme == "https", let host = components.host, !host.isEmpty,
            components.user == nil, components.password == nil, components.query == nil, components.fragment == nil
        else {
            throw .usage("'\(text)' is no address of a server", advice: "for example \(Self.local)")
        }
        var address = "\(scheme)://\(host.contains(":") && !host.hasPrefix("[") ? "[\(host)]" : host.lowercased())"
        if let port = components.port { address += ":\(port)" }
        var path = components.percentEncodedPath
        while path.hasSuffix("/") { path.removeLast() }
        description = address + path
    }
}
