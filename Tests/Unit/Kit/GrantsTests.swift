// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import Identity
import Testing

/// Actions, what grants them, and how they travel.
@Suite struct GrantsTests {
    @Test func builtInRolesIncludeEachOther() {
        #expect(Role.viewer.actions.isStrictSubset(of: Role.editor.actions))
        #expect(Role.editor.actions.isStrictSubset(of: Role.admin.actions))
        #expect(Role.admin.actions == Set(Action.catalogue) && Role.none.actions.isEmpty)
        #expect(Set(Action.catalogue).count == Action.catalogue.count)
        // An action that a service names by itself has the meaning of its verb.
        let (read, write) = (Action("rules", isRead: true), Action("rules", isRead: false))
        #expect(Role.viewer.allows(read) && !Role.viewer.allows(write))
        #expect(Role.editor.allows(write) && !Role.editor.allows(Action(rawValue: "rules:run")))
        #expect(!Role.none.allows(Action("rules", isRead: true)))
    }

    @Test func aRoleIsImpliedOnlyAsAWhole() {
        for role in [Role.viewer, .editor, .admin] {
            #expect(Role.implied(by: role.actions) == role)
            for action in role.actions {
                #expect(Role.implied(by: role.actions.subtracting([action])) < role, "without \(action)")
            }
        }
        #expect(Role.implied(by: []) == .none)
        #expect(Role.implied(by: Role.viewer.actions.union([.domainManage])) == .viewer)
    }

    @Test func entitiesAreThoseThatAreNamed() {
        let id = ThingID.new().description
        let grants = Grants(scopes: [.thingsRead: ["*"], .thingsWrite: [id], .channelsRead: []])
        #expect(grants.allow(.thingsRead) && grants.allow(.thingsRead, on: "anything"))
        #expect(!grants.allow(.thingsWrite) && grants.allow(.thingsWrite, on: id))
        #expect(grants.allow(.thingsWrite, on: id.uppercased()), "a UUID is the same in either case")
        #expect(!grants.allow(.thingsWrite, on: ThingID.new().description) && !grants.allow(.thingsWrite, on: "*"))
        #expect(!grants.allow(.channelsRead) && !grants.allow(.channelsRead, on: id))
        #expect(grants.actions == [.thingsRead])
        let less = grants.limited { $0 == .thingsWrite }
        #expect(!less.allow(.thingsRead) && less.allow(.thingsWrite, on: id))
    }

    @Test func grantsTravelAsJSON() throws {
        let grants = Grants(scopes: [.thingsRead: ["*"], .thingsWrite: [ThingID.new().description]])
        let data = try JSONEncoder().encode(grants)
        #expect(try JSONDecoder().decode(Grants.self, from: data) == grants)
        #expect(throws: DecodingError.self) { try JSONDecoder().decode(Grants.self, from: Data(#"{"a":"*"}"#.utf8)) }
    }

    @Test func aPrincipalIsJudgedByItsGrantsWhereItHasThem() throws {
        func principal(_ role: Role, _ grants: Grants?, _ credential: Principal.Credential = .session) -> Principal {
            Principal(
                user: UserID.new(), session: SessionID.new(), domain: DomainID.new(), role: role, grants: grants,
                credential: credential)
        }
        #expect(principal(.editor, nil).allows(.thingsWrite) && !principal(.viewer, nil).allows(.thingsWrite))
        let limited = principal(.none, Grants([.thingsWrite]))
        #expect(limited.allows(.thingsWrite) && !limited.allows(.thingsRead))
        #expect(throws: ServiceError.self) { try limited.require(.viewer) }
        #expect(throws: ServiceError.self) { try limited.require(.thingsRead) }
        let admitted = limited.admitted(to: .thingsWrite)
        try admitted.require(Role.editor)
        #expect(!admitted.allows(.channelsWrite))
        #expect(throws: ServiceError.self) { try principal(.admin, nil, .key).requireSession() }
        try principal(.none, nil).requireSession()
    }

    @Test func aTokenCarriesItsActions() async throws {
        let key = SigningKey()
        let now: Int64 = 1_800_000_000_000_000_000
        let issuer = try await AccessTokenIssuer(key: key, lifetimeSeconds: 900)
        let validator = await AccessTokenValidator(PublicKeySet(keys: [key.publicKey]))
        let all = Principal(
            user: UserID.new(), session: SessionID.new(), domain: DomainID.new(), role: .editor,
            grants: Grants(Set(Action.catalogue).subtracting([.domainManage])))
        let token = try await issuer.issue(all, now: now).token
        // The largest that there can be, well below what a header may hold.
        #expect(token.utf8.count < 2_048, "\(token.utf8.count)")
        let principal = try await validator.validate(token, now: now).principal
        #expect(principal == all && principal.allows(.usersManage) && !principal.allows(.domainManage))
    }
}
