internal import Glibc
internal import TelpherClient
internal import TelpherHosts

/// Finds the hosts that the settings name, and their addresses.
struct HostSelection {
  let settings: FanOutSettings
  let environment: [String: String]

  /// A host and its server.
  struct Target: Sendable {
    let name: NodeName
    let server: NamedServer
  }

  /// The hosts in their order.
  ///
  /// - Throws: `Failure` if a set, a file or an address is wrong, or if no host is left.
  func targets() throws -> [Target] {
    let groups = try groups()
    let names = try hosts(groups).names
    guard !names.isEmpty else { throw Failure("the set of hosts is empty") }
    let template = try settings.template.map(AddressTemplate.init)
    let configuration = try ConfigurationFile(environment: environment).read()
    return try names.map { name in
      do {
        return Target(
          name: name,
          server: try server(of: name, template, configuration, groups))
      } catch let error as ClientError {
        throw Failure("\(name): \(error.message)", kind: Failure(error).kind)
      }
    }
  }

  /// Where a host is, in this order: by the template, by the user's configuration, by an inventory,
  /// and else by its name as ssh knows it.
  private func server(
    of name: NodeName, _ template: AddressTemplate?, _ configuration: HostConfiguration,
    _ groups: HostGroups
  ) throws -> NamedServer {
    var text = name.text
    if let template {
      text = template.address(of: name)
    } else if configuration.hosts[name.exact] == nil, let address = groups.address(of: name) {
      text = address.url(for: name)
    }
    return try HostName.server(text) { () throws(Failure) in configuration }
  }

  private func hosts(_ groups: HostGroups) throws(Failure) -> HostSet {
    do throws(HostsError) {
      var texts: [String] = []
      if let hosts = settings.hosts { texts.append(hosts) }
      var set = HostSet()
      for text in texts { set = try set.union(try groups.hosts(text)) }
      for file in settings.files { set = try set.union(try hosts(inFile: file, groups)) }
      for text in settings.excluded { set = set.subtracting(try groups.hosts(text)) }
      return set
    } catch {
      throw Failure(error.description, kind: "bad_hosts")
    }
  }

  /// The hosts of a file, each line of which is a set.
  private func hosts(inFile path: String, _ groups: HostGroups) throws(HostsError) -> HostSet {
    let text: String
    do throws(Failure) {
      text = try path == "-" ? SmallFile.text(of: .input) : SmallFile.text(path)
    } catch {
      throw HostsError(error.message)
    }
    var set = HostSet()
    var number = 0
    for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
      number += 1
      let hosts = line.prefix { $0 != "#" }
      guard !hosts.allSatisfy(\.isWhitespace) else { continue }
      do throws(HostsError) {
        set = try set.union(try groups.hosts(String(hosts)))
      } catch {
        let name = path == "-" ? "standard input" : path
        throw HostsError("\(name):\(number): \(error)")
      }
    }
    return set
  }

  /// The groups of the inventory, of the user's file, and of the inventories that the file names.
  private func groups() throws(Failure) -> HostGroups {
    var sources: [HostGroups.Source] = []
    if let path = settings.inventory { sources.append(try inventory("inventory", path)) }
    let file = ConfigurationFile(environment: environment, name: "groups")
    if let text = try file.text() {
      do throws(HostsError) {
        let groups = try GroupsFile(parsing: text)
        sources.append(HostGroups.Source(name: GroupsFile.sourceName, groups: groups.groups))
        for source in groups.sources {
          do throws(Failure) {
            sources.append(try inventory(source.name, file.resolve(source.path, environment)))
          } catch {
            throw HostsError(error.message)
          }
        }
      } catch {
        throw Failure("\(file.path): \(error)", kind: "bad_configuration")
      }
    }
    return HostGroups(sources)
  }

  private func inventory(_ name: String, _ path: String) throws(Failure) -> HostGroups.Source {
    let text = try SmallFile.text(path)
    do throws(HostsError) {
      return try AnsibleInventory(
        parsing: text, AnsibleInventory.Format(path: path, text: text)
      ).source(named: name)
    } catch {
      throw Failure("\(path): \(error)", kind: "bad_hosts")
    }
  }
}
