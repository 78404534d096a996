// SPDX-License-Identifier: Apache-2.0
import ServiceKit
import UsersService

@main struct Executable { static func main() async { await ServiceRunner.main(UsersService.description) } }
