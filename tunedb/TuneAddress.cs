namespace Picograd.TuneDb;

/// <summary>The text that names a tune database: a path, or a provider's name, a colon and a path or a server.</summary>
public static class TuneAddress
{
    /// <summary>The file that is read on this machine: that of the address, or the one that stands for a server.</summary>
    /// <exception cref="TuneDbException">The address is none.</exception>
    public static string FileOf(string address)
    {
        var (provider, place) = Parse(address, nameof(address));
        return provider is { IsServer: true } ? SharedTuneStore.FileOf(provider, place) : place;
    }

    /// <summary>Whether it is that of a server.</summary>
    /// <exception cref="TuneDbException">The address is none.</exception>
    public static bool IsServer(string address) => Parse(address, nameof(address)).Provider is { IsServer: true };

    /// <summary>The path in an address, in full; of a server what names it.</summary>
    /// <exception cref="TuneDbException">The address is none.</exception>
    public static string PathOf(string address) => Parse(address, nameof(address)).Path;

    /// <summary>The address with its path in full.</summary>
    /// <exception cref="TuneDbException">The address is none.</exception>
    internal static string Full(string address, string argument)
    {
        var (provider, path) = Parse(address, argument);
        return provider is null ? path : $"{provider.Name}:{path}";
    }

    internal static (TuneProvider? Provider, string Path) Parse(string address, string argument)
    {
        if (string.IsNullOrWhiteSpace(address) || address.Contains('\0'))
        {
            throw new TuneDbException(
                TuneDbErrorKind.BadPath,
                null,
                $"{argument} must name a tune database file, but it was '{address.Replace("\0", "\\0")}', "
                    + "which is blank or holds a null character."
            );
        }

        var colon = address.IndexOf(':', StringComparison.Ordinal);
        // One letter is a drive of Windows.
        if (colon < 2 || !address.AsSpan(0, colon).ContainsOnlyLetters())
        {
            return (null, Path.GetFullPath(address));
        }

        var name = address[..colon];
        if (TuneProviders.Find(name) is { } provider)
        {
            var path = address[(colon + 1)..];
            return string.IsNullOrWhiteSpace(path)
                ? throw new TuneDbException(
                    TuneDbErrorKind.BadPath,
                    null,
                    $"{argument} is '{name}:', which names no {(provider.IsServer ? "server" : "file")} behind the colon."
                )
                : (provider, provider.Place?.Invoke(path) ?? Path.GetFullPath(path));
        }

        return File.Exists(address)
            ? (null, Path.GetFullPath(address))
            : throw new TuneDbException(
                TuneDbErrorKind.BadPath,
                null,
                // Not the whole of it, which may name a password.
                $"{argument} begins with '{name}:', but there is no provider '{name}': known are "
                    + $"{string.Join(", ", TuneProviders.All.Select(p => p.Name))}; a file whose name begins so is './{name}:…'."
            );
    }

    private static bool ContainsOnlyLetters(this ReadOnlySpan<char> text)
    {
        foreach (var c in text)
        {
            if (!char.IsAsciiLetterOrDigit(c))
            {
                return false;
            }
        }

        return true;
    }
}
