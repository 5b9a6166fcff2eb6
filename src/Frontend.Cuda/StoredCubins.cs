using System.Text;
using Picograd.Lower.Cuda.Runtime;
using Picograd.TuneDb;

namespace Picograd.Dispatch;

/// <summary>
/// Compiled programs in the binaries of a tune store, with those of this process in front: what was compiled for a search is wanted
/// again by whoever runs the winner. Thread-safe.
/// </summary>
public sealed class StoredCubins(IBinaryStore store) : ICubinCache
{
    private readonly MemoryCubinCache _near = new();

    /// <summary>Where they are kept.</summary>
    public IBinaryStore Store => store;

    /// <summary>Those beside the user's tune database.</summary>
    public static StoredCubins OfUser()
    {
        try
        {
            return new(TuneDatabase.BinariesOf(TuneDbLocation.Resolve()));
        }
        catch (TuneDbException)
        {
            // Whoever opens the database says what is wrong with it; kernels are compiled without one as well.
            return new(BinaryFolder.OfUser());
        }
    }

    public CachedCubin? Find(string key)
    {
        if (_near.Find(key) is { } known)
            return known;
        if (store.Find(key) is not { } content || Read(content) is not { } cubin)
            return null;
        _near.Put(key, cubin);
        return cubin;
    }

    public void Put(string key, CachedCubin cubin)
    {
        _near.Put(key, cubin);
        byte[] log = Encoding.UTF8.GetBytes(cubin.Log);
        store.Put(key, [.. BitConverter.GetBytes(log.Length), .. log, .. cubin.Cubin]);
    }

    // Length of the log in bytes; log; cubin.
    private static CachedCubin? Read(ReadOnlySpan<byte> content)
    {
        if (content.Length < sizeof(int))
            return null;
        int length = BitConverter.ToInt32(content);
        var rest = content[sizeof(int)..];
        return length < 0 || length > rest.Length
            ? null
            : new CachedCubin([.. rest[length..]], Encoding.UTF8.GetString(rest[..length]));
    }
}
