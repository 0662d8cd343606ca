//! The built module is what `abi.wit` says: no import, export or type more or less.

use std::collections::BTreeMap;
use std::path::PathBuf;
use wasmparser::{
    ExternalKind, FuncType, MemoryType, Parser, Payload, TypeRef, ValType, Validator,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::abi::{AbiVariant, WasmSignature, WasmType};
use wit_parser::{Function, Resolve, WorldId, WorldItem};

const PAGES_MAX: u64 = (32 << 20) / (64 << 10);

/// A function's parameters and results.
type Signature = (Vec<ValType>, Vec<ValType>);
type Functions = BTreeMap<String, Signature>;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn module() -> Vec<u8> {
    std::fs::read(root().join("dist/engine.wasm")).expect("`make engine` has written it")
}

fn world() -> (Resolve, WorldId) {
    let mut resolve = Resolve::default();
    let package = resolve.push_file(root().join("abi.wit")).expect("abi.wit is WIT");
    let world = resolve.select_world(&[package], Some("engine")).expect("it has the world");
    (resolve, world)
}

fn val(kind: &WasmType) -> ValType {
    match kind {
        WasmType::I64 | WasmType::PointerOrI64 => ValType::I64,
        WasmType::F32 => ValType::F32,
        WasmType::F64 => ValType::F64,
        WasmType::I32 | WasmType::Pointer | WasmType::Length => ValType::I32,
    }
}

fn lowered(resolve: &Resolve, variant: AbiVariant, function: &Function) -> Signature {
    let WasmSignature { params, results, .. } = resolve.wasm_signature(variant, function);
    (params.iter().map(val).collect(), results.iter().map(val).collect())
}

/// What the canonical ABI makes of the world: its imports as `module name`, and its exports.
fn expected() -> (Functions, Functions) {
    let (resolve, world) = world();
    let (mut imports, mut exports) = (Functions::new(), Functions::new());
    for item in resolve.worlds[world].imports.values() {
        let WorldItem::Interface { id, .. } = item else { continue };
        let module = resolve.id_of(*id).expect("the interface has a name");
        for (name, function) in &resolve.interfaces[*id].functions {
            let signature = lowered(&resolve, AbiVariant::GuestImport, function);
            imports.insert(format!("{module} {name}"), signature);
        }
    }
    for item in resolve.worlds[world].exports.values() {
        let WorldItem::Function(function) = item else { panic!("only functions are exported") };
        let signature = lowered(&resolve, AbiVariant::GuestExport, function);
        exports.insert(function.name.clone(), signature);
    }
    // The canonical ABI's own: (old pointer, old size, alignment, new size) -> pointer.
    exports.insert("cabi_realloc".into(), (vec![ValType::I32; 4], vec![ValType::I32]));
    (imports, exports)
}

/// What the module has: functions that it imports and exports, its memories, and other exports.
#[derive(Default)]
struct Border {
    imports: Functions,
    exports: Functions,
    memories: Vec<MemoryType>,
    others: Vec<String>,
}

fn border(bytes: &[u8]) -> Border {
    let mut border = Border::default();
    let mut types: Vec<FuncType> = Vec::new();
    let mut functions: Vec<u32> = Vec::new();
    let signature = |types: &[FuncType], index: u32| {
        let function = &types[index as usize];
        (function.params().to_vec(), function.results().to_vec())
    };
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.expect("the module is well-formed") {
            Payload::TypeSection(section) => {
                types = section.into_iter_err_on_gc_types().map(|kind| kind.unwrap()).collect();
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.unwrap();
                    let TypeRef::Func(index) = import.ty else {
                        panic!("{} {} is no function", import.module, import.name)
                    };
                    functions.push(index);
                    let name = format!("{} {}", import.module, import.name);
                    border.imports.insert(name, signature(&types, index));
                }
            }
            Payload::FunctionSection(section) => {
                functions.extend(section.into_iter().map(|index| index.unwrap()));
            }
            Payload::MemorySection(section) => {
                border.memories = section.into_iter().map(|memory| memory.unwrap()).collect();
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export.unwrap();
                    if export.kind == ExternalKind::Func {
                        let index = functions[export.index as usize];
                        border.exports.insert(export.name.into(), signature(&types, index));
                    } else {
                        border.others.push(export.name.into());
                    }
                }
            }
            Payload::StartSection { .. } => panic!("nothing runs before `start`"),
            _ => {}
        }
    }
    border
}

#[test]
fn the_module_has_the_imports_and_exports_of_abi_wit_and_no_other() {
    let border = border(&module());
    let (imports, exports) = expected();
    assert_eq!(border.imports, imports);
    assert_eq!(border.exports, exports);
    assert_eq!(border.others, ["memory"]);
    assert!(imports.len() <= 12, "at most 11 storage calls and one for output");
}

#[test]
fn the_module_declares_its_memory_and_its_maximum() {
    let border = border(&module());
    assert_eq!(border.memories.len(), 1);
    assert_eq!(border.memories[0].maximum, Some(PAGES_MAX));
    assert!(border.memories[0].initial <= 16, "an instance starts within 1 MiB");
}

#[test]
fn the_module_is_one_command_away_from_a_component() {
    let mut bytes = module();
    let (resolve, world) = world();
    embed_component_metadata(&mut bytes, &resolve, world, StringEncoding::UTF8)
        .expect("the metadata is written");
    let component = ComponentEncoder::default()
        .validate(true)
        .module(&bytes)
        .expect("the module fits its metadata")
        .encode()
        .expect("the component is valid");
    Validator::new().validate_all(&component).expect("so says the validator too");
}

/// Features that are not on everywhere would be refused by a host: all that V8 and wasmtime have
/// on.
#[test]
fn the_module_needs_no_feature_that_a_host_may_lack() {
    use wasmparser::WasmFeatures as On;
    let features = On::MUTABLE_GLOBAL
        | On::SATURATING_FLOAT_TO_INT
        | On::SIGN_EXTENSION
        | On::REFERENCE_TYPES
        | On::MULTI_VALUE
        | On::BULK_MEMORY
        | On::SIMD
        | On::FLOATS
        | On::GC_TYPES;
    Validator::new_with_features(features).validate_all(&module()).expect("the module is valid");
}
