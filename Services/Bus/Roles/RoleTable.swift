// SPDX-License-Identifier: Apache-2.0
import Foundation
import Messaging

/// The roles that the daemon knows, by name; a role's index is its bit in the route cache.
struct RoleTable: Sendable {
    /// A bit each in a 64-bit mask.
    static let maximumRoles = 64

    let roles: [Role]
    private let indices: [String: Int]

    struct Invalid: Error, CustomStringConvertible {
        let description: String
    }

    /// The form of the file that `MARTLET_BUS_ROLES` names.
    private struct File: Codable {
        var roles: [Role]
    }

    init(_ roles: [Role]) throws(Invalid) {
        guard roles.count <= Self.maximumRoles else {
            throw Invalid(description: "\(roles.count) roles, at most \(Self.maximumRoles) are possible")
        }
        var indices: [String: Int] = [:]
        for (index, role) in roles.enumerated() {
            guard !role.name.isEmpty, role.name.utf8.count <= 64 else {
                throw Invalid(description: "role name '\(role.name)' must be 1 to 64 bytes long")
            }
            guard indices.updateValue(index, forKey: role.name) == nil else {
                throw Invalid(description: "role '\(role.name)' is listed twice")
            }
            for filter in role.publish + role.subscribe where !SubjectFilter.isValidFilter(filter) {
                throw Invalid(description: "role '\(role.name)': '\(filter)' is not a subject filter")
            }
        }
        self.roles = roles
        self.indices = indices
    }

    /// The compiled-in roles, with those of the configuration's file added or replaced.
    static func load(_ configuration: BusConfiguration) throws(Invalid) -> RoleTable {
        var roles = defaults
        if configuration.allowsTestRole { roles.append(everything(named: "test")) }
        if let path = configuration.rolesFile {
            let file: File
            do {
                file = try JSONDecoder().decode(File.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
            } catch {
                throw Invalid(description: "roles file \(path): \(error)")
            }
            _ = try RoleTable(file.roles)
            let replaced = Set(file.roles.map(\.name))
            roles = roles.filter { !replaced.contains($0.name) } + file.roles
        }
        return try RoleTable(roles)
    }

    func index(of name: String) -> Int? { indices[name] }

    /// Bit n is set when role n may publish to the subject.
    func publishers(of subject: UnsafeRawBufferPointer) -> UInt64 {
        var mask: UInt64 = 0
        for (index, role) in roles.enumerated() {
            let may = role.publish.contains { filter in
                var filter = filter
                return filter.withUTF8 {
                    SubjectFilter.matches(filter: UnsafeRawBufferPointer($0), subject: subject)
                }
            }
            if may { mask |= 1 << UInt64(index) }
        }
        return mask
    }

    static func everything(named name: String) -> Role {
        Role(name: name, publish: [">"], subscribe: [">"], consume: ["*"], operate: true)
    }
}
