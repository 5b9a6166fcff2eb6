using System.Collections.Immutable;
using System.Reflection.Emit;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;

namespace Picograd.Tests.House;

/// <summary>One use of what a file declares by code of another file of the same project.</summary>
public sealed record SourceReference(string From, string To, string What);

/// <summary>
/// Which files of a project use which others, read from the compiled assembly, whose symbols tell the file of every method and type.
/// Constants that the compiler copies into their users leave no trace there, so uses of nothing but constants are not seen.
/// </summary>
public sealed class SourceReferences
{
    // Documents of types that have no method with code: enums, interfaces, delegates (portable PDB format).
    private static readonly Guid TypeDefinitionDocuments = new("932E74BC-DBA9-4478-8D46-0F32A7BAB3D3");

    private static readonly Dictionary<int, OpCode> OpCodes = typeof(OpCodes)
        .GetFields()
        .Select(f => (OpCode)f.GetValue(null)!)
        .ToDictionary(o => (int)(ushort)o.Value);

    private readonly MetadataReader _code;
    private readonly MetadataReader _symbols;
    private readonly PEReader _image;
    private readonly string _root;
    private readonly Dictionary<TypeDefinitionHandle, string> _files = [];
    private readonly HashSet<SourceReference> _found = [];

    private SourceReferences(PEReader image, MetadataReader symbols, string root)
    {
        _image = image;
        _code = image.GetMetadataReader();
        _symbols = symbols;
        _root = root;
    }

    /// <param name="assembly">The compiled project, its symbols beside it.</param>
    /// <param name="root">The project's folder below the repository, with slashes at both ends: /src/Schedule/.</param>
    public static IReadOnlyCollection<SourceReference> Of(string assembly, string root)
    {
        using var image = new PEReader(File.OpenRead(assembly));
        using var symbols = MetadataReaderProvider.FromPortablePdbStream(
            File.OpenRead(Path.ChangeExtension(assembly, ".pdb"))
        );
        var references = new SourceReferences(image, symbols.GetMetadataReader(), root);
        references.FindFiles();
        references.FindReferences();
        return references._found;
    }

    private void FindFiles()
    {
        foreach (var handle in _code.TypeDefinitions)
        {
            string? file = _code
                .GetTypeDefinition(handle)
                .GetMethods()
                .Select(FileOf)
                .FirstOrDefault(f => f is not null);
            foreach (var info in _symbols.GetCustomDebugInformation(handle).Select(_symbols.GetCustomDebugInformation))
            {
                if (file is null && _symbols.GetGuid(info.Kind) == TypeDefinitionDocuments)
                    file = Relative(
                        MetadataTokens.DocumentHandle(_symbols.GetBlobReader(info.Value).ReadCompressedInteger())
                    );
            }
            if (file is not null)
                _files[handle] = file;
        }
    }

    private string? FileOf(MethodDefinitionHandle method)
    {
        var information = _symbols.GetMethodDebugInformation(method.ToDebugInformationHandle());
        if (!information.Document.IsNil)
            return Relative(information.Document);
        var first = information.GetSequencePoints().Select(p => p.Document).FirstOrDefault();
        return first.IsNil ? null : Relative(first);
    }

    // Null for what is generated or lies elsewhere.
    private string? Relative(DocumentHandle document)
    {
        string path = _symbols.GetString(_symbols.GetDocument(document).Name).Replace('\\', '/');
        int at = path.LastIndexOf(_root, StringComparison.Ordinal);
        string? file = at < 0 ? null : path[(at + _root.Length)..];
        return file is null || file.StartsWith("obj/", StringComparison.Ordinal) ? null : file;
    }

    private string? FileOf(TypeDefinitionHandle type)
    {
        for (; !type.IsNil; type = _code.GetTypeDefinition(type).GetDeclaringType())
        {
            if (_files.TryGetValue(type, out var file))
                return file;
        }
        return null;
    }

    private void FindReferences()
    {
        foreach (var handle in _code.TypeDefinitions)
        {
            if (FileOf(handle) is not { } own)
                continue;
            var type = _code.GetTypeDefinition(handle);
            Token(own, type.BaseType);
            foreach (var i in type.GetInterfaceImplementations())
                Token(own, _code.GetInterfaceImplementation(i).Interface);
            Constraints(own, type.GetGenericParameters());
            Attributes(own, type.GetCustomAttributes());
            foreach (var f in type.GetFields())
            {
                _code.GetFieldDefinition(f).DecodeSignature(new Names(this, own), null);
                Attributes(own, _code.GetFieldDefinition(f).GetCustomAttributes());
            }
            foreach (var p in type.GetProperties())
                Attributes(own, _code.GetPropertyDefinition(p).GetCustomAttributes());
            foreach (var m in type.GetMethods())
                Method(FileOf(m) ?? own, m);
        }
    }

    private void Method(string own, MethodDefinitionHandle handle)
    {
        var method = _code.GetMethodDefinition(handle);
        method.DecodeSignature(new Names(this, own), null);
        Constraints(own, method.GetGenericParameters());
        Attributes(own, method.GetCustomAttributes());
        if (method.RelativeVirtualAddress == 0)
            return;
        var body = _image.GetMethodBody(method.RelativeVirtualAddress);
        if (!body.LocalSignature.IsNil)
            _code.GetStandaloneSignature(body.LocalSignature).DecodeLocalSignature(new Names(this, own), null);
        foreach (var region in body.ExceptionRegions)
            Token(own, region.CatchType);
        var il = body.GetILReader();
        while (il.RemainingBytes > 0)
        {
            int value = il.ReadByte();
            var code = OpCodes[value == 0xfe ? 0xfe00 | il.ReadByte() : value];
            switch (code.OperandType)
            {
                case OperandType.InlineField
                or OperandType.InlineMethod
                or OperandType.InlineTok
                or OperandType.InlineType:
                    Token(own, MetadataTokens.EntityHandle(il.ReadInt32()));
                    break;
                case OperandType.InlineSwitch:
                    int targets = il.ReadInt32();
                    il.Offset += 4 * targets;
                    break;
                case OperandType.InlineI8 or OperandType.InlineR:
                    il.Offset += 8;
                    break;
                case OperandType.InlineNone:
                    break;
                case OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar:
                    il.Offset += 1;
                    break;
                case OperandType.InlineVar:
                    il.Offset += 2;
                    break;
                default:
                    il.Offset += 4;
                    break;
            }
        }
    }

    private void Constraints(string own, GenericParameterHandleCollection parameters)
    {
        foreach (var c in parameters.SelectMany(p => _code.GetGenericParameter(p).GetConstraints()))
            Token(own, _code.GetGenericParameterConstraint(c).Type);
    }

    private void Attributes(string own, CustomAttributeHandleCollection attributes)
    {
        foreach (var a in attributes)
            Token(own, _code.GetCustomAttribute(a).Constructor);
    }

    private void Token(string own, EntityHandle token)
    {
        var names = new Names(this, own);
        if (token.IsNil)
            return;
        switch (token.Kind)
        {
            case HandleKind.TypeDefinition:
                Note(own, FileOf((TypeDefinitionHandle)token), (TypeDefinitionHandle)token, "");
                break;
            case HandleKind.TypeSpecification:
                _code.GetTypeSpecification((TypeSpecificationHandle)token).DecodeSignature(names, null);
                break;
            case HandleKind.FieldDefinition:
                var field = _code.GetFieldDefinition((FieldDefinitionHandle)token);
                Note(own, FileOf(field.GetDeclaringType()), field.GetDeclaringType(), _code.GetString(field.Name));
                field.DecodeSignature(names, null);
                break;
            case HandleKind.MethodDefinition:
                var method = _code.GetMethodDefinition((MethodDefinitionHandle)token);
                string? file = FileOf((MethodDefinitionHandle)token) ?? FileOf(method.GetDeclaringType());
                Note(own, file, method.GetDeclaringType(), Name(method));
                method.DecodeSignature(names, null);
                break;
            case HandleKind.MethodSpecification:
                var generic = _code.GetMethodSpecification((MethodSpecificationHandle)token);
                generic.DecodeSignature(names, null);
                Token(own, generic.Method);
                break;
            case HandleKind.MemberReference:
                var member = _code.GetMemberReference((MemberReferenceHandle)token);
                Token(own, member.Parent);
                if (member.GetKind() == MemberReferenceKind.Field)
                    member.DecodeFieldSignature(names, null);
                else
                    member.DecodeMethodSignature(names, null);
                break;
            default:
                break;
        }
    }

    // Conversions have one name, whatever they convert: those of text are told by it.
    private string Name(MethodDefinition method)
    {
        string name = _code.GetString(method.Name);
        bool ofText = _code.GetBlobBytes(method.Signature)[^1] == (byte)SignatureTypeCode.String;
        return name == "op_Implicit" && ofText ? "op_Implicit(string)" : name;
    }

    private void Note(string own, string? file, TypeDefinitionHandle type, string member)
    {
        if (file is null || file == own)
            return;
        string name = _code.GetString(_code.GetTypeDefinition(type).Name);
        _found.Add(new(own, file, member.Length == 0 ? name : $"{name}.{member}"));
    }

    // Notes every type of the project in a signature.
    private sealed class Names(SourceReferences all, string own) : ISignatureTypeProvider<bool, object?>
    {
        public bool GetTypeFromDefinition(MetadataReader reader, TypeDefinitionHandle handle, byte rawTypeKind)
        {
            all.Token(own, handle);
            return true;
        }

        public bool GetTypeFromSpecification(
            MetadataReader reader,
            object? genericContext,
            TypeSpecificationHandle handle,
            byte rawTypeKind
        )
        {
            all.Token(own, handle);
            return true;
        }

        public bool GetTypeFromReference(MetadataReader reader, TypeReferenceHandle handle, byte rawTypeKind) => false;

        public bool GetArrayType(bool elementType, ArrayShape shape) => false;

        public bool GetByReferenceType(bool elementType) => false;

        public bool GetFunctionPointerType(MethodSignature<bool> signature) => false;

        public bool GetGenericInstantiation(bool genericType, ImmutableArray<bool> typeArguments) => false;

        public bool GetGenericMethodParameter(object? genericContext, int index) => false;

        public bool GetGenericTypeParameter(object? genericContext, int index) => false;

        public bool GetModifiedType(bool modifier, bool unmodifiedType, bool isRequired) => false;

        public bool GetPinnedType(bool elementType) => false;

        public bool GetPointerType(bool elementType) => false;

        public bool GetPrimitiveType(PrimitiveTypeCode typeCode) => false;

        public bool GetSZArrayType(bool elementType) => false;
    }
}
