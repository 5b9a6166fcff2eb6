using Npgsql;

namespace Picograd.TuneDb.Postgres;

/// <summary>
/// What stands behind <c>postgres:</c>, either a URL, <c>//user@host:5432/database?sslmode=Require</c>, or Npgsql's keywords,
/// <c>Host=db;Database=tune</c> (https://www.npgsql.org/doc/connection-string-parameters.html). Passwords are not part of an address, which is
/// printed and stored: Npgsql finds them in <c>PGPASSWORD</c> or <c>PGPASSFILE</c>, and certificates in <c>PGSSLCERT</c> and the like.
/// </summary>
internal static class PostgresAddress
{
    /// <summary>The address in one form, without its provider.</summary>
    /// <exception cref="TuneDbException">It is none, or names a password.</exception>
    public static string Normal(string place)
    {
        NpgsqlConnectionStringBuilder settings;
        try
        {
            settings = place.StartsWith("//", StringComparison.Ordinal) ? OfUrl(place) : new(place);
        }
        // Npgsql names the keyword, not what it was set to.
        catch (Exception e) when (e is ArgumentException or FormatException)
        {
            throw Bad($"cannot be understood ({e.Message.TrimEnd('.')})");
        }

        if (settings.Multiplexing || settings.Host?.Contains(',') == true)
        {
            throw Bad("asks for multiplexing or names several hosts; a tune database has one connection to one server");
        }

        if (settings.Password is not null || settings.Passfile is not null || settings.SslPassword is not null)
        {
            throw Bad(
                "names a password, which would be printed and stored with it; set PGPASSWORD or PGPASSFILE instead"
            );
        }

        return string.IsNullOrWhiteSpace(settings.Host)
            ? throw Bad("names no host; write //host/database, or Host=…;Database=…")
            : InOrder(settings).ConnectionString;
    }

    // Keywords in any order, and by any of their names, name one database.
    private static NpgsqlConnectionStringBuilder InOrder(NpgsqlConnectionStringBuilder settings)
    {
        string[] first = ["Host", "Port", "Database", "Username"];
        var ordered = new NpgsqlConnectionStringBuilder();
        var given = settings.Keys.Cast<string>().ToList();
        foreach (
            var keyword in first
                .Where(keyword => given.Contains(keyword, StringComparer.OrdinalIgnoreCase))
                .Concat(given.Except(first, StringComparer.OrdinalIgnoreCase).Order(StringComparer.OrdinalIgnoreCase))
        )
        {
            ordered[keyword] = settings[keyword];
        }

        return ordered;
    }

    /// <summary>How to connect.</summary>
    /// <param name="place">What <see cref="Normal"/> returned.</param>
    /// <param name="timeout">For commands.</param>
    public static string ConnectionString(string place, TimeSpan timeout)
    {
        var settings = new NpgsqlConnectionStringBuilder(place);
        if (!Names(place, "Timeout"))
        {
            settings.Timeout = 5;
        }

        settings.ApplicationName ??= "picograd";
        settings.CommandTimeout = Math.Max(1, (int)Math.Ceiling(timeout.TotalSeconds)) + 5;
        // One connection a store, which ends with it.
        settings.Pooling = false;
        settings.NoResetOnClose = true;
        return settings.ConnectionString;
    }

    private static bool Names(string place, string keyword) =>
        place.Split(';').Any(part => part.Split('=')[0].Trim().Equals(keyword, StringComparison.OrdinalIgnoreCase));

    private static NpgsqlConnectionStringBuilder OfUrl(string text)
    {
        // A host that is a folder, of a socket, stands in the query, as PostgreSQL's own programs have it.
        if (!Uri.TryCreate("postgres:" + text, UriKind.Absolute, out var url))
        {
            throw new FormatException("it is no URL");
        }

        var settings = new NpgsqlConnectionStringBuilder();
        if (url.Host.Length > 0)
        {
            settings.Host = url.IdnHost.Trim('[', ']');
        }

        if (url.Port > 0)
        {
            settings.Port = url.Port;
        }

        if (Uri.UnescapeDataString(url.AbsolutePath.TrimStart('/')) is { Length: > 0 } database)
        {
            settings.Database = database;
        }

        var user = url.UserInfo.Split(':', 2);
        if (user[0].Length > 0)
        {
            settings.Username = Uri.UnescapeDataString(user[0]);
        }

        if (user.Length > 1)
        {
            settings.Password = Uri.UnescapeDataString(user[1]);
        }

        foreach (var part in url.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var pair = part.Split('=', 2);
            settings[Keyword(Uri.UnescapeDataString(pair[0]))] = Uri.UnescapeDataString(pair.Length > 1 ? pair[1] : "");
        }

        return settings;
    }

    // Those of PostgreSQL's own programs that Npgsql spells otherwise.
    private static string Keyword(string name) =>
        name switch
        {
            "dbname" => "Database",
            "sslmode" => "SSL Mode",
            "sslrootcert" => "Root Certificate",
            "sslcert" => "SSL Certificate",
            "sslkey" => "SSL Key",
            "connect_timeout" => "Timeout",
            "application_name" => "Application Name",
            _ => name,
        };

    private static TuneDbException Bad(string clause) =>
        new(TuneDbErrorKind.BadPath, null, $"The address of a PostgreSQL tune database {clause}.");
}
