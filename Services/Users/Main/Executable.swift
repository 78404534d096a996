// SPDX-License-Identifier: Apache-2.0
import UsersService

@main struct Executable { static func main() async {} }
