using System.Buffers.Binary;
using System.Text;
using static Picograd.TuneDb.LiteDb.PageLayout;

namespace Picograd.TuneDb.LiteDb;

/// <summary>
/// Finds documents in the pages of a data file: a collection's page names its primary index, a skip list in order of the
/// documents' names, whose nodes say where the documents lie. Everything read from a page is checked before it is followed.
/// </summary>
internal sealed class PageReader(PageFile pages, string path) : IDocuments
{
    // LiteDB allows 2,047 blocks.
    private const int MostBlocks = 2048;
    private const int MostInPage = 255;
    private const int StringKey = 6;
    private const int MaximumKey = 14;
    private const int BlockHeader = 6;

    private Fields? _collections;

    private readonly record struct Address(uint Page, byte Index)
    {
        public bool IsNone => Page == uint.MaxValue;
    }

    public Fields? Find(string collection, string id)
    {
        if (Seek(collection, id) is { } node)
        {
            var found = Node(node);
            if (Key(found) == id)
            {
                return Document(Link(found, 2));
            }
        }

        return null;
    }

    public IEnumerable<Fields> Range(string collection, string prefix, string? only = null)
    {
        var next = Seek(collection, prefix);
        for (var steps = 0L; next is { } address; steps++)
        {
            if (steps > pages.Count * MostInPage)
            {
                throw Bad("an index goes in circles");
            }

            var node = Node(address).ToArray();
            if (Key(node) is not { } key || !key.StartsWith(prefix, StringComparison.Ordinal))
            {
                yield break;
            }

            yield return Document(Link(node, 2), only);
            next = Next(node, 0);
        }
    }

    /// <summary>Throws where a collection has another index than the primary one, which is an expression that LiteDB would run.</summary>
    public void RequireOwn(IReadOnlyCollection<string> known)
    {
        foreach (var (name, value) in Names().All)
        {
            if (!known.Contains(name))
            {
                throw Bad($"it has a collection '{PlainText.Of(name)}', which Picograd does not make");
            }

            if (value is not long number || pages.Read(number)[IndexesAt] != 1)
            {
                throw Bad($"the collection '{name}' has an index that Picograd does not make");
            }

            _ = Head(name);
        }
    }

    /// <summary>
    /// The documents that begin in a page, found without the indices. Those that reach into damaged pages are left out.
    /// </summary>
    public IEnumerable<Fields> In(byte[] page)
    {
        if (page[PageTypeAt] != DataPage || page[HighestIndexAt] == 255)
        {
            yield break;
        }

        for (var index = 0; index <= page[HighestIndexAt]; index++)
        {
            Fields found;
            try
            {
                var block = Segment(page, (byte)index);
                if (block.Length <= BlockHeader || block[0] != 0)
                {
                    continue;
                }

                found = Document(new Address(Page(page, PageIdAt), (byte)index));
            }
            catch (TuneDbException)
            {
                continue;
            }

            yield return found;
        }
    }

    /// <summary>The collections, by name, with the numbers of their pages.</summary>
    private Fields Names()
    {
        if (_collections is null)
        {
            // A new file has zeros there, no document.
            var list = pages.Count > 0 ? pages.Read(0).AsSpan(CollectionsAt, CollectionsSize) : default;
            try
            {
                _collections = list.Length > 0 && Page(list, 0) > 0 ? Fields.Parse(list) : new Fields();
            }
            catch (FormatException e)
            {
                throw Bad($"its list of collections cannot be read ({e.Message})");
            }
        }

        return _collections;
    }

    /// <summary>The first node of the primary index; null without such a collection.</summary>
    private Address? Head(string collection)
    {
        if (!Names().Has(collection))
        {
            return null;
        }

        var page = pages.Read(Names().Number(collection));
        // Slot and kind, then the two names, then whether values are unique, then the two ends.
        var start = page.AsSpan(IndexesAt + 3);
        if (page[PageTypeAt] != CollectionPage || page[IndexesAt] < 1 || !start.StartsWith("_id\0$._id\0"u8))
        {
            throw Bad($"the collection '{collection}' has no primary index");
        }

        return Link(start, "_id\0$._id\0"u8.Length + 1);
    }

    /// <summary>The first node whose key is not below the wanted one; null when there is none.</summary>
    private Address? Seek(string collection, string wanted)
    {
        if (Head(collection) is not { } at)
        {
            return null;
        }

        var steps = 0L;
        for (var level = Levels - 1; level >= 0; level--)
        {
            while (Next(Node(at), level) is { } next)
            {
                if (++steps > pages.Count * MostInPage)
                {
                    throw Bad("an index goes in circles");
                }

                if (Key(Node(next)) is not { } key || string.CompareOrdinal(key, wanted) >= 0)
                {
                    break;
                }

                at = next;
            }
        }

        return Next(Node(at), 0);
    }

    private Fields Document(Address address, string? only = null)
    {
        var bson = Array.Empty<byte>();
        var filled = 0;
        for (var blocks = 0; !address.IsNone; blocks++)
        {
            var page = pages.Read(address.Page);
            if (page[PageTypeAt] != DataPage || blocks > MostBlocks)
            {
                throw Bad("a document goes astray");
            }

            var block = Segment(page, address.Index);
            if (block.Length < BlockHeader)
            {
                throw Bad("a document has an empty part");
            }

            address = Link(block, 1);
            block = block[BlockHeader..];
            if (blocks == 0)
            {
                var length = block.Length < 4 ? 0 : BinaryPrimitives.ReadInt32LittleEndian(block);
                if (length < 5 || length > Math.Min(pages.Length, MostBlocks * (long)PageSize))
                {
                    throw Bad("a document says that it has an impossible length");
                }

                bson = new byte[length];
            }

            var part = block[..Math.Min(block.Length, bson.Length - filled)];
            part.CopyTo(bson.AsSpan(filled));
            filled += part.Length;
        }

        try
        {
            return Fields.Parse(bson, only);
        }
        catch (FormatException e)
        {
            throw Bad($"a document cannot be read ({e.Message})");
        }
    }

    private ReadOnlySpan<byte> Node(Address address)
    {
        var page = pages.Read(address.Page);
        if (page[PageTypeAt] != IndexPage)
        {
            throw Bad("an index goes astray");
        }

        var node = Segment(page, address.Index);
        // Slot, levels, document, next of the same document; per level the two neighbours; the key.
        return node.Length > 12 && node[1] is >= 1 and <= Levels && node.Length > KeyAt(node)
            ? node
            : throw Bad("a node of an index is cut off");
    }

    private static int KeyAt(ReadOnlySpan<byte> node) => 12 + (node[1] * 10);

    private static Address? Next(ReadOnlySpan<byte> node, int level)
    {
        if (level >= node[1])
        {
            return null;
        }

        var next = Link(node, 12 + (level * 10) + 5);
        return next.IsNone ? null : next;
    }

    /// <summary>The key of a node; null for the one that stands behind all keys.</summary>
    private string? Key(ReadOnlySpan<byte> node)
    {
        var key = node[KeyAt(node)..];
        var length = key.Length < 2 ? 0 : ((key[0] & 0xC0) << 2) | key[1];
        return (key[0] & 0x3F) switch
        {
            MaximumKey => null,
            StringKey when key.Length >= 2 + length => Encoding.UTF8.GetString(key.Slice(2, length)),
            _ => throw Bad("a key is no text"),
        };
    }

    private ReadOnlySpan<byte> Segment(byte[] page, byte index)
    {
        var slot = PageSize - ((index + 1) * 4);
        if (index > page[HighestIndexAt] || page[HighestIndexAt] == 255)
        {
            throw Bad("a part of a page is missing");
        }

        int length = BinaryPrimitives.ReadUInt16LittleEndian(page.AsSpan(slot));
        int at = BinaryPrimitives.ReadUInt16LittleEndian(page.AsSpan(slot + 2));
        return length == 0 && at == 0 ? []
            : at >= PageHeader && at + length <= PageSize ? page.AsSpan(at, length)
            : throw Bad("a part of a page reaches out of it");
    }

    private static Address Link(ReadOnlySpan<byte> bytes, int at) => new(Page(bytes, at), bytes[at + 4]);

    private TuneDbException Bad(string what) => LiteDbErrors.Damaged(path, what);
}
